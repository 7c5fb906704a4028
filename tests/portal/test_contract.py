"""The committed OpenAPI document is the server's, and it is one."""

from __future__ import annotations

import json
from pathlib import Path

from openapi_spec_validator import validate

from chainfleet.portal.application import make_api
from chainfleet.portal.openapi import openapi_text

COMMITTED = Path(__file__).parents[2] / "portal" / "openapi.json"


def test_committed_document_is_the_servers() -> None:
    assert COMMITTED.read_text() == openapi_text(make_api()), "run tools/portal-openapi"


def test_document_is_valid_openapi() -> None:
    validate(json.loads(COMMITTED.read_text()))

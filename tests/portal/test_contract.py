"""The committed OpenAPI document is the server's, and it is one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from openapi_spec_validator import validate

from chainfleet.portal.application import make_api
from chainfleet.portal.openapi import openapi_text
from chainfleet.portal.problems import KINDS

COMMITTED = Path(__file__).parents[2] / "portal" / "openapi.json"


def test_committed_document_is_the_servers() -> None:
    assert COMMITTED.read_text() == openapi_text(make_api()), "run tools/portal-openapi"


def test_document_is_valid_openapi() -> None:
    validate(json.loads(COMMITTED.read_text()))


def test_everything_in_the_document_is_described() -> None:
    document = json.loads(COMMITTED.read_text())
    fields = {
        f"{name}.{field}": schema
        for name, shape in document["components"]["schemas"].items()
        for field, schema in shape.get("properties", {}).items()
    }
    parameters = {
        f"{method} {path} {parameter['name']}": parameter
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for parameter in operation.get("parameters", ())
    }
    assert len(fields) > 500
    assert len(parameters) > 100
    assert [name for name, found in (fields | parameters).items() if not _described(found)] == []


def _described(found: dict[str, Any]) -> bool:
    inner = found.get("schema", found)
    return any(choice.get("description") for choice in (found, inner, *inner.get("anyOf", ())))


def test_every_problem_has_a_meaning_and_the_documentation_the_same() -> None:
    root = COMMITTED.parents[1]
    used = set()
    for path in (root / "src" / "chainfleet" / "portal").rglob("*.py"):
        used |= set(re.findall(r'ProblemError\(\s*(\d{3}),\s*"([a-z-]+)"', path.read_text()))
    assert len(used) > 40
    assert {(str(status), kind) for kind, (status, _) in KINDS.items()} >= used
    rows = re.findall(
        r"^\| `/problems/([a-z-]+)` \| (\d+) \| (.+) \|$",
        (root / "docs/reference/problems.md").read_text(),
        re.M,
    )
    assert {kind: (int(status), meaning) for kind, status, meaning in rows} == dict(KINDS)


def test_no_operation_is_left_undone() -> None:
    sources = (COMMITTED.parents[1] / "src" / "chainfleet" / "portal").rglob("*.py")
    assert not [path for path in sources if re.search(r"ProblemError\(\s*501", path.read_text())]

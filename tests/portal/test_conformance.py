"""schemathesis over the whole OpenAPI document: no 5xx, no undeclared status, answers as declared.

`PORTAL_EXAMPLES=100` makes it thorough; CI takes a few for each operation.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from zlib import crc32

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from running_portal import RUN, Running
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from chainfleet.portal.runs import starting

EXAMPLES = int(os.environ.get("PORTAL_EXAMPLES", "6"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
KNOWN = {"environment": "dev", "run": RUN, "number": 1, "region": "uksouth"}
STREAM = "GET /api/v1/events"
"""An answer without an end; `test_stream.py` reads it."""
FEW = settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def nothing(*_: object) -> subprocess.Popen[bytes]:
    """Instead of a deployment for every body that happens to be right; `test_deployment.py` runs real ones."""
    return subprocess.Popen(["true"])


def test_every_operation_answers_as_declared(
    start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "launch", nothing)
    portal = start()
    schema = schemathesis.openapi.from_url(f"{portal.url}/api/v1/openapi.json")
    seen: dict[str, set[int]] = {}
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.label == STREAM:
            continue
        # What is generated may end sessions and turn the portal read-only: each operation begins afresh.
        portal.portal.share(portal.portal.shared().model_copy(update={"read_only": False}))
        check = _checker(portal.token(), seen.setdefault(operation.label, set()))
        given(case=operation.as_strategy())(FEW(check))()
    assert len(seen) >= 48
    good = [label for label, codes in seen.items() if codes & {200, 201, 202, 204}]
    assert len(good) > 25, sorted(set(seen) - set(good))


def _checker(token: str, statuses: set[int]) -> Callable[[schemathesis.Case], None]:
    headers = {"Authorization": f"Bearer {token}"}

    def check(case: schemathesis.Case) -> None:
        # Half of the cases name what there is, so that they come further than 404.
        if case.path_parameters and crc32(repr(case.path_parameters).encode()) % 2:
            known = {name: value for name, value in KNOWN.items() if name in case.path_parameters}
            case.path_parameters = {**case.path_parameters, **known}
        response = case.call(headers=headers, timeout=30)
        statuses.add(response.status_code)
        case.validate_response(response, checks=CHECKS)

    return check

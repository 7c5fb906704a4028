"""Every route has a permission, and every role gets exactly what its permissions say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fastapi import FastAPI
from running_portal import RUN, Running

from chainfleet.portal.application import make_api, rules_of
from chainfleet.portal.models.access import Role
from chainfleet.portal.permissions import Permission, permissions_of

DOCUMENT = json.loads((Path(__file__).parents[2] / "portal" / "openapi.json").read_text())
ROUTES = [
    (method.upper(), path, operation["x-permission"])
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]
VALUES = {
    "environment": "nowhere",
    "run": RUN,
    "number": "1",
    "action": "pause",
    "token": "abcd",
    "region": "nowhere",
}


def test_all_routes_are_enumerated_and_permitted() -> None:
    assert len(ROUTES) >= 50
    assert {permission for _, _, permission in ROUTES} == {p.value for p in Permission} - {
        "approve",
        "destroy",
    }
    public = {(method, path) for method, path, permission in ROUTES if permission == "public"}
    assert public == {
        ("GET", "/api/v1/meta"),
        ("POST", "/api/v1/session"),
        ("POST", "/api/v1/oidc/logins"),
        ("GET", "/api/v1/oidc/callback"),
    }


def test_a_route_without_a_permission_stops_the_start(portal: Running) -> None:
    app: FastAPI = make_api()
    app.get("/api/v1/forgotten")(lambda: "open")
    with pytest.raises(RuntimeError, match="/api/v1/forgotten declares no permission"):
        rules_of(app, portal.portal)


@pytest.mark.parametrize("role", [None, *Role])
def test_every_route_refuses_who_may_not(portal: Running, role: Role | None) -> None:
    """Bodies are left out: what is refused is refused before it is read."""
    client = portal.bare() if role is None else portal.client(role)
    for method, path, permission in ROUTES:
        if path == "/api/v1/session" and method == "DELETE":
            continue
        url = path.removeprefix("/api/v1")
        for name, value in VALUES.items():
            url = url.replace(f"{{{name}}}", value)
        status = client.request(method, url).status_code
        may = permission == "public" or (role is not None and Permission(permission) in permissions_of(role))
        refused = 401 if role is None else 403
        assert (status == refused) != may or permission == "public", (role, method, path, status)
        assert status < 500, (role, method, path, status)


def test_gates_and_destruction_ask_for_more_than_a_run(portal: Running) -> None:
    operator = portal.client(Role.OPERATOR)
    where = f"/environments/dev/runs/{RUN}/actions/approve"
    assert operator.post(where, json={}).json()["type"] == "/problems/role-too-low"
    body = {"kind": "destroy", "confirm": "dev"}
    answer = portal.client(Role.APPROVER).post("/environments/dev/runs", json=body)
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/role-too-low")


def test_while_read_only_nobody_changes_anything(portal: Running) -> None:
    admin = portal.client()
    assert admin.put("/settings", json={"read_only": True, "reason": "audit week"}).is_success
    answer = admin.post("/environments/dev/archive")
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/read-only")
    assert admin.post("/fleets/check", json={"document": "a: 1"}).is_success
    assert admin.put("/settings", json={"read_only": False}).is_success
    assert admin.post("/environments/dev/archive").is_success

"""What may not pass does not reach a route: foreign hosts and origins, wrong tokens, what is too large or malformed."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable

import httpx2
import pytest
from running_portal import Running

from chainfleet.portal.guards.rates import Rate
from chainfleet.portal.models.access import Role


def problem(response: httpx2.Response, status: int, kind: str) -> dict[str, object]:
    """The problem document, after checks that hold for all of them."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["type"] == f"/problems/{kind}"
    assert body["request_id"] == response.headers["x-request-id"]
    return dict(body)


@pytest.mark.parametrize(
    "host",
    [
        "evil.test",
        "evil.test:{port}",
        "localhost",
        "127.0.0.1",
        "127.0.0.1:1",
        "[::1]:{port}",
        "127.0.0.1:{port}.evil.test",
        "",
    ],
)
def test_a_foreign_host_is_refused_though_the_token_is_right(portal: Running, host: str) -> None:
    client = portal.client()
    for path in ("/environments", "/meta"):
        response = client.get(path, headers={"Host": host.format(port=portal.port)})
        problem(response, 421, "foreign-host")


def test_a_request_without_host_or_with_two_is_refused(portal: Running) -> None:
    for lines in ("", f"Host: {portal.host}\r\nHost: evil.test\r\n"):
        with socket.create_connection(("127.0.0.1", portal.port)) as connection:
            connection.sendall(f"GET /api/v1/meta HTTP/1.1\r\n{lines}Connection: close\r\n\r\n".encode())
            answer = connection.makefile("rb").read().split(b"\r\n", 1)[0]
        assert answer.split()[1] in (b"400", b"421")


def test_dns_rebinding_is_refused(portal: Running, admin: httpx2.Client) -> None:
    """What Chromium sends then: no Sec-Fetch-Site, and an Origin that equals Host."""
    rebound = f"evil.test:{portal.port}"
    response = admin.post("/fleets/check", json={}, headers={"Host": rebound, "Origin": f"http://{rebound}"})
    problem(response, 421, "foreign-host")
    response = admin.post("/fleets/check", json={}, headers={"Origin": f"http://{rebound}"})
    problem(response, 403, "foreign-origin")


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_changes_and_streams_from_other_pages_are_refused(admin: httpx2.Client, site: str) -> None:
    headers = {"Sec-Fetch-Site": site}
    problem(admin.post("/environments/dev/archive", headers=headers), 403, "foreign-origin")
    problem(admin.get("/events?environment=dev", headers=headers), 403, "foreign-origin")
    assert admin.get("/environments", headers=headers).status_code == 200
    assert admin.post(
        "/fleets/check", json={"document": "a"}, headers={"Sec-Fetch-Site": "same-origin"}
    ).is_success


@pytest.mark.parametrize(
    "header", [None, "Bearer", "Bearer x", "Basic YTpi", "Bearer cfp_" + "a" * 43 + "00000000", "bearer x y"]
)
def test_without_a_valid_token_there_is_nothing(portal: Running, header: str | None) -> None:
    client = portal.bare({"Authorization": header} if header else {})
    response = client.get("/environments")
    problem(response, 401, "not-signed-in")
    assert response.headers["www-authenticate"].startswith("Bearer")
    problem(client.post("/environments", json={}), 401, "not-signed-in")
    problem(client.get("/nothing/here"), 401, "not-signed-in")


def test_an_expired_or_revoked_token_ends_at_once(portal: Running) -> None:
    short, gone = portal.client(lasting_s=60), portal.client(name="gone")
    assert short.get("/session").is_success
    portal.clock.ahead = 61
    problem(short.get("/session"), 401, "not-signed-in")
    token_id = gone.get("/session").json()["token_id"]
    assert portal.client().delete(f"/tokens/{token_id}").status_code == 204
    problem(gone.get("/session"), 401, "not-signed-in")


def test_a_token_for_one_environment_sees_no_other(portal: Running) -> None:
    client = portal.client(Role.OPERATOR, environments=("staging",))
    assert client.get("/environments").json()["items"] == []
    assert client.get("/runs").json()["items"] == []
    for path in ("/environments/dev", "/environments/dev/runs", "/events?environment=dev"):
        problem(client.get(path), 404, "unknown-environment")
    problem(client.post("/environments", json={"name": "other", "document": "a: 1"}), 403, "role-too-low")


@pytest.mark.parametrize(
    "path",
    [
        "/environments/..%2f..%2fetc",
        "/environments/dev/runs/..%2f..%2fledger.db",
        "/environments/dev/runs/%2e%2e/export",
        "/environments/dev/runs/{run}/logs?task=../../../etc/passwd",
        "/environments/dev/runs/{run}/logs/raw?task=besu/keys/network/../../../../x",
        "/environments/%00",
    ],
)
def test_paths_lead_nowhere_else(admin: httpx2.Client, path: str) -> None:
    response = admin.get(path.format(run="20261125-100000-deploy"))
    assert response.status_code in (404, 422), response.text
    assert "root:" not in response.text


def test_large_bodies_are_refused_whether_they_say_so_or_not(portal: Running, admin: httpx2.Client) -> None:
    body = b'{"document": "' + b"a" * 2**20 + b'"}'
    headers = {"Content-Type": "application/json"}
    problem(admin.post("/fleets/check", content=body, headers=headers), 413, "body-too-large")

    def parts() -> object:
        for start in range(0, len(body), 65536):
            yield body[start : start + 65536]

    chunked = portal.client().post("/fleets/check", content=parts(), headers=headers)
    problem(chunked, 413, "body-too-large")


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"", 422, "invalid-request"),
        (b"{", 400, "malformed-json"),
        (b'{"document": NaN}', 400, "malformed-json"),
        (b'{"form": {"a": 1e999}}', 400, "malformed-json"),
        (b'{"document": "\\ud800"}', 400, "malformed-json"),
        (b"\xff\xfe", 400, "malformed-json"),
        (b"[" * 200_000, 400, "malformed-json"),
        (b'{"documents": "a"}', 422, "invalid-request"),
        (b'"text"', 422, "invalid-request"),
    ],
)
def test_malformed_bodies_are_problems(admin: httpx2.Client, body: bytes, status: int, kind: str) -> None:
    response = admin.post("/fleets/check", content=body, headers={"Content-Type": "application/json"})
    problem(response, status, kind)


def test_other_media_types_methods_and_paths_are_problems(admin: httpx2.Client) -> None:
    problem(
        admin.post("/fleets/check", content=b"a=1", headers={"Content-Type": "text/plain"}), 415, "not-json"
    )
    response = admin.patch("/environments/dev")
    problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "GET, PUT"
    problem(admin.get("/nothing"), 404, "no-such-path")


def test_malformed_requests_end_the_connection(portal: Running) -> None:
    for raw in (b"\x16\x03\x01\x00\xa5", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nHost : x\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", portal.port), timeout=60) as connection:
            connection.sendall(raw)
            assert b" 200 " not in connection.makefile("rb").read(200)
    assert portal.client().get("/meta").is_success


def test_who_asks_too_often_waits_and_others_do_not(start: Callable[..., Running]) -> None:
    portal = start(rate=Rate(0.5, 3))
    busy, other = portal.client(), portal.client(name="other")
    answers = [busy.get("/session") for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    problem(answers[-1], 429, "too-many-requests")
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert other.get("/session").is_success


def test_every_answer_carries_the_headers_of_the_house(portal: Running, admin: httpx2.Client) -> None:
    for response in (admin.get("/environments"), admin.get("/nothing"), portal.bare().get("/environments")):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["cache-control"] == "no-store"
        assert "set-cookie" not in response.headers
        assert "access-control-allow-origin" not in response.headers


def test_request_ids_and_traces_are_taken_over_where_they_are_sound(admin: httpx2.Client) -> None:
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    response = admin.get("/session", headers={"X-Request-Id": "ticket-4711", "traceparent": trace})
    assert response.headers["x-request-id"] == "ticket-4711"
    assert response.headers["traceparent"] == trace
    response = admin.get("/session", headers={"X-Request-Id": 'x"\\evil', "traceparent": "no"})
    assert '"' not in response.headers["x-request-id"]
    assert "traceparent" not in response.headers


def test_websockets_are_refused(portal: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", portal.port, timeout=60)
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "a" * 24,
        "Sec-WebSocket-Version": "13",
    }
    connection.request("GET", "/api/v1/events", headers=headers)
    assert connection.getresponse().status in (400, 401, 403, 426)
    connection.close()

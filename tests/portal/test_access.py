"""Signing in, tokens, the audit log, sign-in by an issuer, pages, health: what surrounds the work."""

from __future__ import annotations

import gzip
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from running_portal import Running
from test_guards import problem

from chainfleet.portal.models.access import Role
from chainfleet.portal.oidc import OidcSettings
from chainfleet.portal.pages import POLICY

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def code_in(address: str) -> str:
    return address.split("#t=", 1)[1]


def test_the_printed_address_signs_one_browser_in_once(portal: Running) -> None:
    client = portal.bare()
    address = portal.portal.new_address()
    assert address.startswith(f"{portal.url}/#t=")
    started = client.post("/session", json={"code": code_in(address)})
    assert started.status_code == 201
    assert started.json()["session"]["role"] == "admin"
    problem(client.post("/session", json={"code": code_in(address)}), 401, "not-signed-in")
    bearer = {"Authorization": f"Bearer {started.json()['token']}"}
    assert client.get("/session", headers=bearer).json()["kind"] == "local"
    # The next browser finds another address in the terminal.
    assert client.post("/session", json={"code": code_in(portal.said[-1])}).status_code == 201
    assert client.delete("/session", headers=bearer).status_code == 204
    problem(client.get("/session", headers=bearer), 401, "not-signed-in")


def test_a_code_gets_too_old(portal: Running) -> None:
    address = portal.portal.new_address()
    portal.clock.ahead = 16 * 60
    problem(portal.bare().post("/session", json={"code": code_in(address)}), 401, "not-signed-in")


def test_secrets_are_nowhere_on_the_disk_and_shown_once(
    portal: Running, admin: httpx2.Client, home: Path
) -> None:
    made = admin.post("/tokens", json={"name": "pipeline", "role": "operator", "days": 1}).json()
    secret = made["secret"]
    robot = portal.bare({"Authorization": f"Bearer {secret}"})
    assert robot.get("/session").json()["role"] == "operator"
    rotated = admin.post(f"/tokens/{made['id']}/rotate").json()
    problem(robot.get("/session"), 401, "not-signed-in")
    robot.headers["Authorization"] = f"Bearer {rotated['secret']}"
    assert robot.get("/session").is_success
    shown = json.dumps([admin.get(path).json() for path in ("/tokens", "/audit")])
    disk = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    for hidden in (secret, rotated["secret"]):
        assert hidden not in shown
        assert hidden.encode() not in disk
    assert (home / "access.db").stat().st_mode & 0o077 == 0


def test_a_token_made_twice_with_one_key_is_not_told_again(admin: httpx2.Client) -> None:
    headers = {"Idempotency-Key": "make-token-1"}
    body = {"name": "pipeline", "role": "viewer"}
    assert admin.post("/tokens", json=body, headers=headers).status_code == 201
    problem(admin.post("/tokens", json=body, headers=headers), 409, "secret-not-repeated")
    assert [token["name"] for token in admin.get("/tokens").json()["items"]].count("pipeline") == 1


def test_the_audit_log_tells_who_did_what_and_who_was_refused(portal: Running) -> None:
    admin, viewer = portal.client(name="ada"), portal.client(Role.VIEWER, name="vic")
    admin.post("/environments/dev/lock", json={"reason": "freeze"}, headers={"X-Request-Id": "ticket-4711"})
    viewer.post("/environments/dev/unlock")
    portal.bare().post("/environments/dev/unlock")
    entries = admin.get("/audit").json()["items"]
    told = [(e["actor"], e["action"], e["environment"], e["reason"], e["result"]) for e in reversed(entries)]
    assert told == [
        ("ada", "lockEnvironment", "dev", "freeze", "done"),
        ("vic", "unlockEnvironment", "dev", "", "denied"),
        ("", "POST", "", "", "denied"),
    ]
    assert entries[-1]["request_id"] == "ticket-4711"
    assert [e["actor"] for e in admin.get("/audit?result=denied&limit=1").json()["items"]] == [""]
    check = admin.get("/audit/check").json()
    assert (check["ok"], check["entries"], check["head"]) == (True, 3, entries[0]["hash"])
    lines = [json.loads(line) for line in admin.get("/audit/export").text.splitlines()]
    assert [line["number"] for line in lines] == [1, 2, 3]
    assert admin.get("/audit/export?form=csv").text.splitlines()[0].startswith("number,wall,actor")


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET body = replace(body, 'ada', 'bob') WHERE number = 2",
        "DELETE FROM audit WHERE number = 2",
        "UPDATE audit SET hash = (SELECT hash FROM audit WHERE number = 1) WHERE number = 2",
    ],
)
def test_a_changed_audit_log_is_noticed(portal: Running, home: Path, change: str) -> None:
    admin = portal.client(name="ada")
    for _ in range(2):
        admin.post("/environments/dev/lock", json={"reason": "freeze"})
        admin.post("/environments/dev/unlock")
    with sqlite3.connect(home / "access.db") as connection:
        connection.execute(change)
    connection.close()
    check = admin.get("/audit/check").json()
    assert not check["ok"]
    assert check["broken_at"] in (2, 3)


def test_health_and_metrics(portal: Running, admin: httpx2.Client) -> None:
    with httpx2.Client(base_url=portal.url, trust_env=False) as client:
        assert client.get("/livez").text == "ok\n"
        assert client.get("/readyz").json()["ready"] is True
        admin.get("/environments/dev")
        text = client.get("/metrics").text
        assert 'route="/api/v1/environments/{environment}",status="200"} 1' in text
        portal.portal.store.close()
        assert client.get("/readyz").status_code == 503
    portal.portal.store = type(portal.portal.store)(portal.portal.store.path, wall=portal.clock)


def test_metrics_of_a_server_want_a_token(start: Callable[..., Running]) -> None:
    portal = start(mode="server")
    with httpx2.Client(base_url=portal.url, trust_env=False) as client:
        assert client.get("/metrics").status_code == 401
        bearer = {"Authorization": f"Bearer {portal.token(Role.VIEWER)}"}
        assert client.get("/metrics", headers=bearer).is_success


# --- pages --------------------------------------------------------------------------------------


@pytest.fixture
def pages(tmp_path: Path) -> dict[str, Path]:
    found = {}
    for name in ("vue", "react"):
        folder = tmp_path / "web" / name
        (folder / "assets").mkdir(parents=True)
        (folder / "index.html").write_text(f"<title>{name}</title>")
        script = f"// {name}\n".encode() * 100
        (folder / "assets" / "index-1a2b.js").write_bytes(script)
        (folder / "assets" / "index-1a2b.js.gz").write_bytes(gzip.compress(script))
        found[name] = folder
    (tmp_path / "web" / "secret.txt").write_text("secret")
    return found


def test_both_bundles_are_served_under_a_strict_policy(
    start: Callable[..., Running], pages: dict[str, Path]
) -> None:
    portal = start(pages=pages)
    with httpx2.Client(base_url=portal.url, trust_env=False) as client:
        assert client.get("/").headers["location"] == "ui/vue/"
        assert client.get("/?ui=react").headers["location"] == "ui/react/"
        for name in pages:
            for path in ("", "index.html", "runs/dev/latest?at=5"):
                page = client.get(f"/ui/{name}/{path}")
                assert page.text == f"<title>{name}</title>"
                assert page.headers["content-security-policy"] == POLICY
                assert page.headers["cache-control"] == "no-cache"
            script = client.get(
                f"/ui/{name}/assets/index-1a2b.js", headers={"Accept-Encoding": "gzip, br;q=0"}
            )
            assert script.headers["content-encoding"] == "gzip"
            assert script.headers["content-type"].startswith("text/javascript")
            assert "immutable" in script.headers["cache-control"]
            assert script.text.startswith(f"// {name}")
            plain = client.get(f"/ui/{name}/assets/index-1a2b.js", headers={"Accept-Encoding": "identity"})
            assert "content-encoding" not in plain.headers
        for path in (
            "../secret.txt",
            "..%2fsecret.txt",
            "%2e%2e/secret.txt",
            "assets/../../../secret.txt",
            "assets/none.js",
            "%00",
        ):
            response = client.get(f"/ui/vue/{path}")
            assert response.text != "secret", path
        assert "unsafe-inline" not in POLICY


# --- an issuer ----------------------------------------------------------------------------------


class Issuer(ThreadingHTTPServer):
    """A tiny OpenID Connect issuer: whoever comes is Ada of the operators."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.codes: dict[str, dict[str, str]] = {}
        self.claims: dict[str, Any] = {"groups": ["ops"]}
        self.key = KEY

    def authorize(self, url: str) -> str:
        """What a person's sign-in leads to: the address the browser is sent back to."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        assert query["code_challenge_method"] == "S256"
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        return f"{query['redirect_uri']}?code={code}&state={query['state']}"


class _Answers(BaseHTTPRequestHandler):
    server: Issuer

    def log_message(self, *_: object) -> None:
        return

    def do_GET(self) -> None:
        url = self.server.url
        if self.path.endswith("openid-configuration"):
            self._json(
                {
                    "issuer": url,
                    "authorization_endpoint": f"{url}/authorize",
                    "token_endpoint": f"{url}/token",
                    "jwks_uri": f"{url}/keys",
                }
            )
        else:
            key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
            self._json({"keys": [{**key, "kid": "1", "alg": "RS256"}]})

    def do_POST(self) -> None:
        import base64
        import hashlib

        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        query = self.server.codes.pop(form["code"][0])
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"][0].encode()).digest())
        assert challenge.decode().rstrip("=") == query["code_challenge"]
        now = int(time.time())
        claims = {
            "iss": self.server.url,
            "sub": "u1",
            "aud": "portal",
            "iat": now,
            "exp": now + 300,
            "nonce": query["nonce"],
            "preferred_username": "ada",
            **self.server.claims,
        }
        token = jwt.encode(claims, self.server.key, "RS256", {"kid": "1"})
        self._json({"id_token": token, "access_token": "x", "token_type": "Bearer"})

    def _json(self, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    server = Issuer()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def signing_in(start: Callable[..., Running], issuer: Issuer) -> Running:
    settings = OidcSettings(
        issuer=issuer.url,
        client_id="portal",
        client_secret="",
        redirect_uri="http://REPLACED/api/v1/oidc/callback",
        roles_claim="groups",
        roles={"ops": Role.OPERATOR, "leads": Role.APPROVER},
        default_role=None,
    )
    return start(mode="server", oidc=settings)


def come_back(portal: Running, issuer: Issuer, **params: str) -> tuple[httpx2.Response, str]:
    """Sign in at the issuer; what the callback answers, and the browser's secret."""
    client = portal.bare()
    started = client.post("/oidc/logins", json={"return_to": "/ui/vue/runs"}).json()
    query = {
        name: values[0]
        for name, values in parse_qs(urlsplit(issuer.authorize(started["authorize_url"])).query).items()
    }
    return client.get("/oidc/callback", params={**query, **params}), started["login_secret"]


def test_signing_in_with_an_issuer(signing_in: Running, issuer: Issuer) -> None:
    back, secret = come_back(signing_in, issuer)
    assert back.status_code == 302
    assert back.headers["location"].startswith("/ui/vue/runs#t=")
    code = code_in(back.headers["location"])
    client = signing_in.bare()
    started = client.post("/session", json={"code": code, "login_secret": secret})
    assert started.status_code == 201, started.text
    session = started.json()["session"]
    assert (session["name"], session["role"], session["kind"]) == ("ada", "operator", "oidc")


def test_a_code_that_was_led_to_another_browser_is_of_no_use(signing_in: Running, issuer: Issuer) -> None:
    back, _ = come_back(signing_in, issuer)
    body = {"code": code_in(back.headers["location"]), "login_secret": "mine"}
    problem(signing_in.bare().post("/session", json=body), 401, "not-signed-in")


@pytest.mark.parametrize(
    ("claims", "kind"),
    [
        ({"groups": ["guests"]}, "no-role"),
        ({"nonce": "other"}, "sign-in-refused"),
        ({"aud": "another"}, "sign-in-refused"),
        ({"iss": "https://evil.test"}, "sign-in-refused"),
        ({"exp": 1}, "sign-in-refused"),
    ],
)
def test_claims_that_do_not_hold_are_refused(
    signing_in: Running, issuer: Issuer, claims: dict[str, Any], kind: str
) -> None:
    issuer.claims = claims
    back, _ = come_back(signing_in, issuer)
    problem(back, 403, kind)


def test_a_token_signed_by_somebody_else_is_refused(signing_in: Running, issuer: Issuer) -> None:
    issuer.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    back, _ = come_back(signing_in, issuer)
    problem(back, 403, "sign-in-refused")


def test_a_state_is_known_and_used_once(signing_in: Running, issuer: Issuer) -> None:
    back, _ = come_back(signing_in, issuer, state="made-up")
    problem(back, 400, "unknown-login")
    back, _ = come_back(signing_in, issuer, error="access_denied")
    problem(back, 403, "sign-in-refused")


def test_return_addresses_stay_here(signing_in: Running) -> None:
    for address in ("https://evil.test/", "//evil.test/", "/\\evil.test"):
        assert signing_in.bare().post("/oidc/logins", json={"return_to": address}).status_code == 422, address


def test_requests_are_spans_of_the_callers_trace(start: Callable[..., Running]) -> None:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    portal = start(tracer=provider.get_tracer("test"))
    trace = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    portal.client().get("/environments/dev", headers={"traceparent": trace})
    span = exporter.get_finished_spans()[-1]
    assert span.name == "GET /api/v1/environments/{environment}"
    assert format(span.context.trace_id, "032x") == "a" * 32
    assert span.attributes is not None
    assert span.attributes["chainfleet.environment"] == "dev"
    assert span.attributes["http.response.status_code"] == 200
    provider.shutdown()

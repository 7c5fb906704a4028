"""AWS on loopback: moto behind a gate that records every call, answers for Service Quotas and throttles when told to."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import parse_qs

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

# Roles are given policies that AWS itself manages; moto reads this when it makes its IAM.
os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"

_accounts = count(123456789012)

DEFAULTS = {
    ("ec2", "L-1216C47A"): 64.0,
    ("ec2", "L-0263D0A3"): 5.0,
    ("vpc", "L-F678F1CE"): 5.0,
    ("vpc", "L-FE5A380F"): 5.0,
    ("elasticloadbalancing", "L-69A177A2"): 50.0,
    ("eks", "L-1194D53C"): 100.0,
    ("ebs", "L-7A658B76"): 50.0,
}
"""AWS's defaults, as an account has them that has asked for more of nothing but vCPUs."""

DEFAULT_ONLY = "L-FE5A380F"


@dataclass(frozen=True)
class Call:
    service: str
    region: str
    action: str


@dataclass
class Fault:
    """Answers the next calls of that action, in that region, with an error."""

    action: str
    code: str
    region: str = ""
    count: int = 10**9
    status: int = 400


@dataclass
class Gate:
    """The WSGI application in front of moto."""

    calls: list[Call] = field(default_factory=list)
    applied: dict[tuple[str, str], float] = field(default_factory=dict)
    """Quotas that were raised or lowered, by region and code."""
    closed: set[str] = field(default_factory=set)
    """Regions that the account has not enabled."""
    faults: list[Fault] = field(default_factory=list)
    documents: dict[str, Any] = field(default_factory=dict)
    """Answers, by path, of what moto doesn't know: add-ons and access entries of EKS."""
    account: str = field(default_factory=lambda: str(next(_accounts)))
    """Moto keeps what is made for the whole process; each gate is an account of its own."""

    def __post_init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = self.account
        call = _call_of(environ, body)
        with self._lock:
            self.calls.append(call)
            fault = self._fault(call)
        if fault is not None:
            return _error(start, call.service, fault)
        if call.service == "servicequotas":
            return self._quota(start, call, json.loads(body))
        if environ["PATH_INFO"] in self.documents:
            return _answer(
                start, "200 OK", json.dumps(self.documents[environ["PATH_INFO"]]), "application/json"
            )
        if re.fullmatch(r"/clusters/[^/]+/(addons|access-entries)/.*", environ["PATH_INFO"]):
            return _error(start, call.service, Fault("", "ResourceNotFoundException", status=404))
        if call.action == "DescribeRegions":
            return self._regions(environ, start)
        return self._moto(environ, start)

    def fail(self, action: str, code: str, **more: Any) -> None:
        """From now on answer that action with an error; see `Fault`."""
        self.faults.append(Fault(action, code, **more))

    def forget(self) -> None:
        """Everything that a test has set or seen."""
        for each in (self.calls, self.applied, self.closed, self.faults, self.documents):
            each.clear()

    def _fault(self, call: Call) -> Fault | None:
        for fault in self.faults:
            if fault.count and fault.action in ("*", call.action) and fault.region in ("", call.region):
                fault.count -= 1
                return fault
        return None

    def _quota(self, start: Any, call: Call, asked: dict[str, str]) -> Iterable[bytes]:
        name = (asked["ServiceCode"], asked["QuotaCode"])
        value = DEFAULTS.get(name)
        if call.action == "GetServiceQuota":
            # Of some quotas AWS tells the default only.
            value = self.applied.get((call.region, name[1]), None if name[1] == DEFAULT_ONLY else value)
        if value is None:
            return _error(start, call.service, Fault(call.action, "NoSuchResourceException"))
        quota = {
            "ServiceCode": name[0],
            "QuotaCode": name[1],
            "Value": value,
            "Unit": "None",
            "GlobalQuota": False,
        }
        return _answer(start, "200 OK", json.dumps({"Quota": quota}), "application/x-amz-json-1.1")

    def _regions(self, environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        """Moto's own list, in which the account has enabled all but `closed`."""
        text = b"".join(self._moto(environ, lambda *_: None)).decode()
        for row in re.findall(r"<item>.*?</item>", text, re.DOTALL):
            name = re.search(r"<regionName>(.*?)</regionName>", row)
            status = "not-opted-in" if name and name[1] in self.closed else "opted-in"
            changed = re.sub(r"(<optInStatus>)(not-)?opted-in", rf"\g<1>{status}", row)
            text = text.replace(row, changed)
        return _answer(start, "200 OK", text, "text/xml")


def _call_of(environ: dict[str, Any], body: bytes) -> Call:
    scope = re.search(r"Credential=[^/]+/\d+/([^/]+)/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
    region, service = (scope[1], scope[2]) if scope else ("", "")
    target = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
    named = parse_qs(body.decode(errors="replace")).get("Action", [""])[0]
    return Call(service, region, target or named or f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")


def _error(start: Any, service: str, fault: Fault) -> Iterable[bytes]:
    status = f"{fault.status} Error"
    if service in ("ec2", "sts", "elasticloadbalancing", "iam"):
        inner = f"<Code>{fault.code}</Code><Message>as the test wants it</Message>"
        text = f"<Response><Errors><Error>{inner}</Error></Errors><RequestID>1</RequestID></Response>"
        if service != "ec2":
            text = f"<ErrorResponse><Error><Type>Sender</Type>{inner}</Error><RequestId>1</RequestId></ErrorResponse>"
        return _answer(start, status, text, "text/xml")
    document = {"__type": fault.code, "message": "as the test wants it"}
    return _answer(
        start, status, json.dumps(document), "application/x-amz-json-1.1", ("x-amzn-errortype", fault.code)
    )


def _answer(start: Any, status: str, text: str, kind: str, *more: tuple[str, str]) -> Iterable[bytes]:
    content = text.encode()
    start(status, [("Content-Type", kind), ("Content-Length", str(len(content))), *more])
    return [content]


@contextmanager
def serving(gate: Gate) -> Iterator[dict[str, str]]:
    """The environment that points AWS's tools at the gate."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # It logs every request.
    server = make_server("127.0.0.1", 0, gate, threaded=True)  # type: ignore[arg-type]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_ACCOUNT_ID": gate.account,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

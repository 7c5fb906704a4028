"""Google Cloud on loopback: tokens, and the REST methods that are used, with the shapes of Google's discovery documents."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

PROJECT = "my-project"

REGIONAL = {
    "CPUS": 200,
    "N2_CPUS": 200,
    "STATIC_ADDRESSES": 8,
    "IN_USE_ADDRESSES": 8,
    "SSD_TOTAL_GB": 2000,
}
"""Limits that every region starts with."""

GLOBAL = {"CPUS_ALL_REGIONS": 600, "NETWORKS": 50, "SUBNETWORKS": 275, "ROUTERS": 40}
TYPES = {"n2-standard-4": 4, "e2-medium": 2, "c3-standard-4": 4}
_PAGE = 40
"""Zones on one page of an aggregated list."""

_PARTS = {"RESOURCE": "resource", "IAM_POLICY": "iamPolicy"}

Answer = tuple[int, dict[str, Any]]


@dataclass
class Fault:
    """Answers the next calls whose path has that text with an error."""

    path: str
    status: int
    reason: str = ""
    count: int = 10**9
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Google:
    """One project."""

    regions: list[str]
    calls: list[tuple[str, str]] = field(default_factory=list)
    limits: dict[tuple[str, str], int] = field(default_factory=dict)
    """Limits that differ, by region ("" for the project) and metric."""
    used: dict[tuple[str, str], int] = field(default_factory=dict)
    clusters: list[dict[str, Any]] = field(default_factory=list)
    assets: list[dict[str, Any]] = field(default_factory=list)
    missing: set[tuple[str, str]] = field(default_factory=set)
    """Machine types that a zone doesn't have."""
    faults: list[Fault] = field(default_factory=list)
    expired: bool = False

    def fail(self, path: str, status: int, **more: Any) -> None:
        """From now on answer such paths with an error; see `Fault`."""
        self.faults.append(Fault(path, status, **more))

    def forget(self) -> None:
        """Everything that a test has set or seen."""
        self.expired = False
        for each in (
            self.calls,
            self.limits,
            self.used,
            self.clusters,
            self.assets,
            self.missing,
            self.faults,
        ):
            each.clear()

    def answer(self, path: str, query: dict[str, str]) -> Answer:
        """The answer to a GET."""
        for pattern, method in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match is not None:
                if match[1] != PROJECT:
                    return _error(404, f"The resource 'projects/{match[1]}' was not found", "notFound")
                return method(self, match, query)
        return _error(404, f"no such method: {path}", "notFound")

    def _quotas(self, place: str, defaults: dict[str, int]) -> list[dict[str, Any]]:
        return [
            {
                "metric": metric,
                "limit": float(self.limits.get((place, metric), limit)),
                "usage": float(self.used.get((place, metric), 0)),
            }
            for metric, limit in defaults.items()
        ]

    def project(self, _match: re.Match[str], _query: dict[str, str]) -> Answer:
        return 200, {"kind": "compute#project", "name": PROJECT, "quotas": self._quotas("", GLOBAL)}

    def region(self, match: re.Match[str], _query: dict[str, str]) -> Answer:
        name = match[2]
        if name not in self.regions:
            return _error(404, f"The resource 'projects/{PROJECT}/regions/{name}' was not found", "notFound")
        base = f"https://www.googleapis.com/compute/v1/projects/{PROJECT}/zones"
        zones = [f"{base}/{name}-{letter}" for letter in "abc"]
        row = {"kind": "compute#region", "name": name, "status": "UP", "zones": zones}
        return 200, row | {"quotas": self._quotas(name, REGIONAL)}

    def machine_types(self, _match: re.Match[str], query: dict[str, str]) -> Answer:
        wanted = set(re.findall(r'name = "([^"]+)"', query.get("filter", "")))
        zones = [f"{name}-{letter}" for name in sorted(self.regions) for letter in "abc"]
        first = int(query.get("pageToken") or 0)
        items: dict[str, Any] = {}
        for zone in zones[first : first + _PAGE]:
            rows = [
                {"kind": "compute#machineType", "name": name, "guestCpus": cores, "zone": zone}
                for name, cores in TYPES.items()
                if name in wanted and (zone, name) not in self.missing
            ]
            nothing = {"warning": {"code": "NO_RESULTS_ON_PAGE", "message": "no results"}}
            items[f"zones/{zone}"] = {"machineTypes": rows} if rows else nothing
        document: dict[str, Any] = {"kind": "compute#machineTypeAggregatedList", "items": items}
        if first + _PAGE < len(zones):
            document["nextPageToken"] = str(first + _PAGE)
        return 200, document

    def list_clusters(self, _match: re.Match[str], _query: dict[str, str]) -> Answer:
        # An empty list is left out, as protobuf's JSON does.
        return 200, {"clusters": self.clusters} if self.clusters else {}

    def list_assets(self, _match: re.Match[str], query: dict[str, str]) -> Answer:
        first, part = int(query.get("pageToken") or 0), _PARTS[query["contentType"]]
        kinds = query["assetTypes"].split(",")
        rows = [row for row in self.assets if part in row and row["assetType"] in kinds]
        document: dict[str, Any] = {"readTime": "2026-11-25T00:00:00Z", "assets": rows[first : first + 10]}
        if first + 10 < len(rows):
            document["nextPageToken"] = str(first + 10)
        return 200, document


_ROUTES: list[tuple[str, Callable[[Google, re.Match[str], dict[str, str]], Answer]]] = [
    (r"/compute/v1/projects/([^/]+)", Google.project),
    (r"/compute/v1/projects/([^/]+)/regions/([^/]+)", Google.region),
    (r"/compute/v1/projects/([^/]+)/aggregated/machineTypes", Google.machine_types),
    (r"/container/v1/projects/([^/]+)/locations/-/clusters", Google.list_clusters),
    (r"/asset/v1/projects/([^/]+)/assets", Google.list_assets),
]


def _error(status: int, message: str, reason: str) -> Answer:
    row = {"message": message, "domain": "global", "reason": reason}
    return status, {"error": {"code": status, "message": message, "errors": [row]}}


def _handler(google: Google) -> type[BaseHTTPRequestHandler]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path == "/token" and not google.expired:
                self._tell(200, {"access_token": "good", "token_type": "Bearer", "expires_in": 3600})
            elif self.path == "/token":
                reason = "Token has been expired or revoked."
                self._tell(400, {"error": "invalid_grant", "error_description": reason})
            else:
                with lock:
                    google.calls.append(("POST", self.path))
                self._tell(*_error(405, "only reads", "methodNotAllowed"))

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            with lock:
                google.calls.append(("GET", parts.path))
                fault = next((each for each in google.faults if each.count and each.path in parts.path), None)
                if fault is not None:
                    fault.count -= 1
            if self.headers.get("Authorization") != "Bearer good":
                self._tell(*_error(401, "Request had invalid authentication credentials.", "authError"))
            elif fault is not None:
                self._tell(*_error(fault.status, "as the test wants it", fault.reason), headers=fault.headers)
            else:
                query = {name: ",".join(values) for name, values in parse_qs(parts.query).items()}
                self._tell(*google.answer(parts.path, query))

        def _tell(self, status: int, document: Any, headers: dict[str, str] | None = None) -> None:
            content = json.dumps(document).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_words: Any) -> None:
            pass

    return Handler


@contextmanager
def serving(google: Google, folder: Path) -> Iterator[dict[str, str]]:
    """The environment that points Google's tools at it, with the key of a service account that it knows."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(google))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    base = f"http://127.0.0.1:{server.server_port}"
    private = rsa.generate_private_key(65537, 2048)
    key = {
        "type": "service_account",
        "project_id": PROJECT,
        "private_key_id": "1",
        "private_key": private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "client_email": f"chainfleet@{PROJECT}.iam.gserviceaccount.com",
        "token_uri": f"{base}/token",
    }
    path = folder / "key.json"
    path.write_text(json.dumps(key))
    try:
        yield {
            "GOOGLE_APPLICATION_CREDENTIALS": str(path),
            "GOOGLE_CLOUD_PROJECT": PROJECT,
            "GOOGLE_COMPUTE_CUSTOM_ENDPOINT": f"{base}/compute/v1/",
            "GOOGLE_CONTAINER_CUSTOM_ENDPOINT": f"{base}/container/v1/",
            "GOOGLE_CLOUD_ASSET_CUSTOM_ENDPOINT": f"{base}/asset/v1/",
        }
    finally:
        server.shutdown()
        thread.join()
        server.server_close()

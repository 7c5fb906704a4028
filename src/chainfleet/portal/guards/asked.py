"""What the guards look at of a request."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.types import Scope

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_TRACE = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(slots=True)
class Asked:
    """One request.

    Attributes:
        method: of HTTP.
        path: decoded, exactly as routed.
        headers: lower-case names; the first value where a name comes twice.
        doubled: names that came more than once.
        address: of the client.
        id: the caller's `X-Request-Id` where it is well-formed, else a new one.
        trace: a W3C `traceparent`, or empty.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    doubled: frozenset[str]
    address: str
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    trace: str = ""

    @property
    def is_api(self) -> bool:
        """Whether it is for the API, not for pages or health."""
        return self.path == "/api" or self.path.startswith("/api/")

    @property
    def is_safe(self) -> bool:
        """Whether it must not change anything."""
        return self.method in SAFE


def read(scope: Scope) -> Asked:
    """Take a request apart."""
    headers: dict[str, str] = {}
    doubled: set[str] = set()
    for raw_name, raw_value in scope["headers"]:
        name = raw_name.decode("latin-1").lower()
        if name in headers:
            doubled.add(name)
        headers.setdefault(name, raw_value.decode("latin-1"))
    client: Any = scope.get("client")
    asked = Asked(scope["method"], scope["path"], headers, frozenset(doubled), client[0] if client else "")
    given = headers.get("x-request-id", "")
    if _REQUEST_ID.fullmatch(given):
        asked.id = given
    if _TRACE.fullmatch(headers.get("traceparent", "")):
        asked.trace = headers["traceparent"]
    return asked

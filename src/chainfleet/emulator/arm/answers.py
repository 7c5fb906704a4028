"""What a handler answers, before it is put on the wire; and pages of lists."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlencode

from .bodies import Json
from .errors import bad_request
from .identity import Principal

T = TypeVar("T")

PAGE = 100
"""Entries of a page; small enough that a fleet's resources take several."""


@dataclass(slots=True)
class Answer:
    """Status, body and headers; `changed` tells whether anything was changed."""

    status: int = 200
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    changed: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """What a handler may look at.

    Attributes:
        verb: HTTP method.
        segments: the path, split at its slashes, as given.
        query: its parameters, names in lower case.
        body: the request's JSON object; empty where there is none.
        base: scheme and host, for absolute URLs.
        path: the path as given.
        principal: who asks; None before that is known.
    """

    verb: str
    segments: Sequence[str]
    query: Mapping[str, str]
    body: Mapping[str, Any]
    base: str
    path: str
    principal: Principal | None = None

    @property
    def api_version(self) -> str:
        """The api-version asked for."""
        return self.query.get("api-version", "")


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer with a JSON body."""
    return Answer(status, json.dumps(value, separators=(",", ":")).encode(), dict(headers or {}))


def page(asked: Asked, rows: Sequence[T], show: Callable[[T], Json]) -> Answer:
    """One page of a list, with `nextLink` while there is more.

    Raises:
        ArmError: 400 for a wrong `$top` or `$skiptoken`.
    """
    start = _offset(asked.query.get("$skiptoken", ""))
    top = asked.query.get("$top")
    if top is not None and (not top.isdigit() or int(top) < 1):
        raise bad_request(
            "InvalidTopQueryParameter", f"The value '{top}' of $top is not a positive whole number."
        )
    size = min(PAGE, int(top)) if top else PAGE
    value: Json = {"value": [show(row) for row in rows[start : start + size]]}
    if start + size < len(rows):
        query = {**asked.query, "$skiptoken": token(start + size)}
        value["nextLink"] = f"{asked.base}{asked.path}?{urlencode(query)}"
    return json_answer(value)


def token(offset: int) -> str:
    """An opaque token for a place in a list."""
    return base64.urlsafe_b64encode(f"at:{offset}".encode()).decode().rstrip("=")


def _offset(text: str) -> int:
    if not text:
        return 0
    try:
        decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
        return int(decoded.removeprefix("at:"))
    except (ValueError, binascii.Error) as error:
        raise bad_request("InvalidSkipToken", f"The $skiptoken '{text}' is not valid.") from error


def offset_of(text: str) -> int:
    """The place that a token stands for.

    Raises:
        ArmError: 400.
    """
    return _offset(text)

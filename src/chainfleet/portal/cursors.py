"""Opaque, signed cursors: a place in one list with one set of filters, and nothing else can be made of them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from .models.common import Page
from .problems import ProblemError

T = TypeVar("T")
_MAC = 16


class Cursors:
    """Makes and reads cursors.

    Args:
        key: secret of this server.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, about: Sequence[Any], place: Any) -> str:
        """A cursor for a place in the list that `about` names with its filters."""
        body = json.dumps(place, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._mac(about, body) + body).decode().rstrip("=")

    def read(self, about: Sequence[Any], cursor: str) -> Any:
        """The place that a cursor names.

        Raises:
            ProblemError: it is of another list, of other filters, or not ours.
        """
        try:
            raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except (binascii.Error, ValueError):
            raw = b""
        mac, body = raw[:_MAC], raw[_MAC:]
        if not hmac.compare_digest(mac, self._mac(about, body)):
            raise ProblemError(
                400,
                "foreign-cursor",
                "this cursor is not of this list with these filters",
                way_out="begin at the first page: leave `cursor` out",
            )
        return json.loads(body)

    def page(
        self,
        about: Sequence[Any],
        items: Sequence[T],
        cursor: str | None,
        limit: int,
        key: Callable[[T], Any],
    ) -> tuple[list[T], str | None]:
        """One page of a list that is in order, and the next page's cursor; `key` tells an item's place by itself."""
        start = 0
        if cursor is not None:
            after = self.read(about, cursor)
            start = next((i + 1 for i, item in enumerate(items) if key(item) == after), len(items))
        part = list(items[start : start + limit])
        more = start + limit < len(items)
        return part, self.make(about, key(part[-1])) if more else None

    def _mac(self, about: Sequence[Any], body: bytes) -> bytes:
        text = json.dumps(list(about), separators=(",", ":"), default=str).encode()
        return hmac.new(self._key, text + b"\n" + body, hashlib.sha256).digest()[:_MAC]


def as_page(items: Sequence[T], following: str | None, total: int | None) -> Page[T]:
    """The answer that carries one page."""
    return Page(items=list(items), next=following, total=total)

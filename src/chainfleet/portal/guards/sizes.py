"""Bodies have a limit, whether they announce their size or not."""

from __future__ import annotations

from starlette.types import Message, Receive

from ..problems import ProblemError
from .asked import Asked

BODY_LIMIT = 2**20
"""Bytes of a request's body."""


def check_size(asked: Asked) -> None:
    """Refuse what says it is too large; raises ProblemError (413, 400)."""
    length = asked.headers.get("content-length")
    if length is None:
        return
    if "content-length" in asked.doubled or not length.isascii() or not length.isdigit():
        raise ProblemError(400, "malformed-request", "Content-Length is not a number")
    if int(length) > BODY_LIMIT:
        raise too_large()


def limited(receive: Receive) -> Receive:
    """The same body, which fails with 413 as soon as it grows too large."""
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > BODY_LIMIT:
            raise too_large()
        return message

    return counted


def too_large() -> ProblemError:
    """The answer to a body over the limit."""
    return ProblemError(
        413, "body-too-large", f"the body is larger than {BODY_LIMIT} bytes", headers={"Connection": "close"}
    )

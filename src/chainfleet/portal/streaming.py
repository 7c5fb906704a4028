"""Server-sent events: frames of batches, resumable at every record."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from chainfleet import __version__
from chainfleet.ledger.database import Place

from .figures import Figures
from .journal import BATCH_S, Away, Journal, Journals
from .principals import Principal
from .problems import ProblemError, ledger_away

PING_S = 15.0
BACKLOG = 20_000
"""Records behind the head from which a listener is told to read the run anew."""
STREAMS_EACH = 64
"""Streams of one token."""

_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


def frame(event: str, data: bytes | Mapping[str, object], id_: str = "") -> bytes:
    """One frame."""
    body = data if isinstance(data, bytes) else json.dumps(data, separators=(",", ":")).encode()
    head = f"id: {id_}\n" if id_ else ""
    return f"{head}event: {event}\ndata: ".encode() + body + b"\n\n"


def read_id(text: str, environments: Sequence[str]) -> dict[str, int]:
    """The places that an `id` of the stream names.

    Raises:
        ProblemError: it is not an id of a stream of these environments.
    """
    if text.isascii() and text.isdigit() and len(text) < 17 and len(environments) == 1:
        return {environments[0]: int(text)}
    places: dict[str, int] = {}
    for part in text.split(","):
        name, _, number = part.partition(":")
        if name not in environments or not (number.isascii() and number.isdigit() and len(number) < 17):
            raise ProblemError(400, "malformed-sequence", f"`{text[:80]}` is no id of this stream")
        places[name] = int(number)
    return places


def write_id(places: Mapping[str, int]) -> str:
    """The id of those places: the sequence number alone where there is one environment."""
    if len(places) == 1:
        return str(next(iter(places.values())))
    return ",".join(f"{name}:{seq}" for name, seq in places.items())


class Streams:
    """All open streams of this server."""

    def __init__(
        self,
        journals: Journals,
        figures: Figures,
        still_valid: Callable[[Principal], Awaitable[bool]],
        *,
        ping_s: float = PING_S,
    ) -> None:
        self._journals = journals
        self._figures = figures
        self._still_valid = still_valid
        self.ping_s = ping_s
        self._open: Counter[str] = Counter()
        self.stopping = False

    def stop(self) -> None:
        """Tell every listener that the server stops, and end their streams."""
        self.stopping = True
        self._journals.wake()

    async def open(
        self, ledgers: Mapping[str, Place], since: str | None, principal: Principal
    ) -> EventStream:
        """A stream of these ledgers, by environment; it counts as open until it was called and is over.

        Raises:
            ProblemError: a place that never was, or too many streams.
            ChainfleetError: a ledger can't be read.
        """
        if self.stopping or self._open[principal.token_id] >= STREAMS_EACH:
            raise ProblemError(
                503,
                "too-many-streams",
                "the server stops" if self.stopping else f"more than {STREAMS_EACH} streams of one token",
                headers={"Retry-After": "5"},
                retryable=True,
            )
        wanted = None if since is None else read_id(since, list(ledgers))
        joined: list[Journal] = []
        try:
            for name, ledger in ledgers.items():
                joined.append(await self._journals.join(name, ledger))
            places = _places(joined, wanted)
        except BaseException:
            self._leave(joined)
            raise
        self._open[principal.token_id] += 1
        self._figures.streams += 1

        def over() -> None:
            self._figures.streams -= 1
            self._open[principal.token_id] -= 1
            self._leave(joined)

        return EventStream(self._frames(joined, places, principal), over)

    def _leave(self, joined: Sequence[Journal]) -> None:
        for journal in joined:
            self._journals.leave(journal)

    async def _frames(
        self, joined: Sequence[Journal], places: dict[str, int], principal: Principal
    ) -> AsyncGenerator[bytes]:
        yield b"retry: 1000\n\n" + frame("hello", self._hello(joined))
        for journal in joined:
            if journal.head - places[journal.environment] > BACKLOG:
                places.update({j.environment: j.head for j in joined})
                data = {"reason": "backlog", "heads": dict(places)}
                yield frame("snapshot", data, write_id(places))
                break
        async for chunk in self._follow(joined, places, principal):
            yield chunk

    async def _follow(
        self, joined: Sequence[Journal], places: dict[str, int], principal: Principal
    ) -> AsyncIterator[bytes]:
        quiet_since = time.monotonic()
        away: dict[str, Away | None] = {}
        while True:
            quiet = time.monotonic() - quiet_since >= self.ping_s
            ending = await self._ending(joined, principal, quiet=quiet)
            if ending is not None:
                yield ending
                return
            sent = False
            for journal in joined:
                if journal.away is not away.get(journal.environment):
                    away[journal.environment] = journal.away
                    yield frame("ledger", _standing(journal))
                batch = await journal.after(places[journal.environment])
                if batch is not None:
                    places[journal.environment] = batch.last
                    self._figures.frames += 1
                    self._figures.records += batch.count
                    self._figures.lag_s = max(0.0, time.time() - batch.committed)
                    yield frame("batch", batch.data, write_id(places))
                    sent = True
            if sent:
                quiet_since = time.monotonic()
                continue
            left = self.ping_s - (time.monotonic() - quiet_since)
            if left <= 0:
                yield b": ping\n\n"
                quiet_since = time.monotonic()
                continue
            expires_s = max(0.0, principal.expires - time.time())
            await self._journals.news(max(BATCH_S, min(left, expires_s)))

    async def _ending(self, joined: Sequence[Journal], principal: Principal, *, quiet: bool) -> bytes | None:
        if self.stopping:
            return frame("server-stopping", {})
        if principal.expires <= time.time() or (quiet and not await self._still_valid(principal)):
            return frame("auth-expired", {})
        if any(journal.replaced for journal in joined):
            return frame("snapshot", {"reason": "epoch", "heads": {}})
        return None

    def _hello(self, joined: Sequence[Journal]) -> dict[str, object]:
        return {
            "epoch": "-".join(journal.id[:8] for journal in joined),
            "now": time.time(),
            "heads": {journal.environment: journal.head for journal in joined},
            "version": __version__,
        }


def _standing(journal: Journal) -> dict[str, object]:
    """Whether a ledger can be read, as the stream tells it."""
    away = journal.away
    return {
        "environment": journal.environment,
        "away_since": away and away.since,
        "detail": away.detail if away else "",
    }


def _places(joined: Sequence[Journal], wanted: Mapping[str, int] | None) -> dict[str, int]:
    """Where each journal is read from: its head, unless a place is wanted."""
    places = {j.environment: j.head for j in joined} | dict(wanted or {})
    for journal in joined:
        place = places[journal.environment]
        if place > journal.head and journal.away is not None:
            # It may well have it: that can't be said before it is back.
            raise ledger_away(journal.away.detail)
        if place > journal.head:
            raise ProblemError(
                410,
                "unknown-sequence",
                f"{journal.environment} has no record {place}; its last one is {journal.head}",
                way_out="read the run anew and stream from its `seq`",
            )
    return places


class EventStream(Response):
    """Sends frames until they end or the listener is gone; `over` is called then, whether a frame was sent or not."""

    def __init__(self, frames: AsyncGenerator[bytes], over: Callable[[], None]) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]
        self._frames = frames
        self._over = over

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        del scope
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await self._until_gone(receive, send)
        finally:
            # Frames that nobody began to read run no `finally` of their own.
            self._over()
            await self._frames.aclose()

    async def _until_gone(self, receive: Receive, send: Send) -> None:
        sending = asyncio.ensure_future(self._send(send))
        gone = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                # What broke it off is the server's to log: to the listener it must not look like an end.
                sending.result()
        finally:
            for task in (sending, gone):
                task.cancel()
            await asyncio.gather(sending, gone, return_exceptions=True)

    async def _send(self, send: Send) -> None:
        async for chunk in self._frames:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

"""One collection after another: look at the network, remember the last look, show it to whoever scrapes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chainfleet.model.besu.extra_data import Codec
from chainfleet.model.besu.header import Header
from chainfleet.model.errors import InputError, TaskFailed

from .expiry import Expiries
from .exposing import Seen, families
from .judging import Expected, Sample, Verdict, is_sealed, judge, set_of
from .oracles import FeedState
from .sampling import PATIENCE_S, Validator, blocks, sample_all
from .window import Window

if TYPE_CHECKING:
    from prometheus_client.core import Metric as Family

_BATCH = 64
"""Blocks read in one request."""
_BATCHES = 4
"""Requests for blocks in one collection: a long way is gone over several."""
_WITNESSES = 3
"""Validators asked for blocks before this collection does without."""
_OFTEN_ENOUGH_S = 30.0
"""Feeds lie on chains whose providers count calls."""
_SELDOM_S = 3600.0
"""Certificates live for months."""

ReadFeeds = Callable[[], Awaitable[Sequence[FeedState]]]
ReadExpiries = Callable[[], Awaitable[Expiries]]


@dataclass(frozen=True, slots=True)
class Sources:
    """Where a collector looks.

    Attributes:
        validators: who is asked.
        addresses: name of a validator (`region-index`) → its address.
        read_feeds: reads the oracle's feeds.
        read_expiries: reads when certificates run out.
    """

    validators: Sequence[Validator]
    addresses: Mapping[str, str]
    read_feeds: ReadFeeds
    read_expiries: ReadExpiries


@dataclass(slots=True)
class ChainCollector:
    """Looks at one network.

    Attributes:
        expected: what the fleet says.
        sources: where it looks.
        codec: consensus protocol.
        period_s: seconds between two blocks.
        heartbeat_s: seconds after which feeds promise a new round.
        wall: seconds since 1970.
        monotonic: seconds on an axis that never jumps.
        feeds_every_s: seconds between two looks at the feeds.
        patience_s: seconds a validator has for an answer.
    """

    expected: Expected
    sources: Sources
    codec: Codec
    period_s: float
    heartbeat_s: float
    wall: Callable[[], float]
    monotonic: Callable[[], float]
    feeds_every_s: float = _OFTEN_ENOUGH_S
    patience_s: float = PATIENCE_S
    window: Window = field(init=False)
    _seen: Seen | None = None
    _collections: Counter[str] = field(default_factory=Counter)
    _feeds: Sequence[FeedState] = ()
    _expiries: Expiries = field(default_factory=dict)
    _feeds_at: float | None = None
    _expiries_at: float | None = None

    def __post_init__(self) -> None:
        self.window = self._new_window()

    def collect(self) -> Iterator[Family]:
        """Yield what the last collection saw (the protocol of prometheus-client's collectors)."""
        yield from families(self._seen, self.window, self._collections)

    @property
    def collected_at(self) -> float | None:
        """When the network was last looked at, in seconds since 1970."""
        return None if self._seen is None else self._seen.at

    async def look(self) -> None:
        """Look at everything once; whatever a node does, this doesn't raise for it."""
        began, at = self.monotonic(), self.wall()
        samples, _, _ = await asyncio.gather(
            sample_all(self.sources.validators, self.codec, self.patience_s),
            self._look_at_feeds(began),
            self._look_at_expiries(began),
        )
        anchor = () if self.window.head is None else self.window.head.extra.validators
        verdict = judge(samples, self.expected, anchor)
        complete = await self._read_blocks(verdict)
        self._seen = Seen(
            samples=samples,
            verdict=verdict,
            set=set_of(verdict, self.window.head, self.expected),
            expected=self.expected,
            addresses=self.sources.addresses,
            feeds=self._feeds,
            heartbeat_s=self.heartbeat_s,
            expiries=self._expiries,
            at=at,
            took_s=self.monotonic() - began,
        )
        self._collections["complete" if complete else "failed"] += 1

    async def _look_at_feeds(self, now: float) -> None:
        if self._feeds_at is None or now - self._feeds_at >= self.feeds_every_s:
            self._feeds_at = now
            self._feeds = await self.sources.read_feeds()

    async def _look_at_expiries(self, now: float) -> None:
        told = {region for region, _ in self._expiries}
        everywhere = all(validator.region in told for validator in self.sources.validators)
        # A region that could not be reached once must not be missing for an hour.
        wait_s = _SELDOM_S if everywhere else self.feeds_every_s
        if self._expiries_at is None or now - self._expiries_at >= wait_s:
            self._expiries_at = now
            self._expiries = {**self._expiries, **await self.sources.read_expiries()}

    async def _read_blocks(self, verdict: Verdict) -> bool:
        """Count the blocks since the last look, from whoever has them; False if nobody could be read."""
        if verdict.head is None:
            return not self.sources.validators
        for sample in _witnesses(verdict):
            try:
                await self._read_from(sample, verdict.head.number)
            except (TaskFailed, InputError, TimeoutError):
                continue
            return True
        return False

    async def _read_from(self, sample: Sample, head: int) -> None:
        validator = next(
            v for v in self.sources.validators if (v.region, v.index) == (sample.region, sample.index)
        )
        for _ in range(_BATCHES):
            first = self.window.next_number(head, _BATCH * _BATCHES)
            if first > head:
                return
            last = min(head, first + _BATCH - 1)
            for header in await blocks(validator, first, last, self.codec, self.patience_s):
                self._feed(header)

    def _feed(self, header: Header) -> None:
        """Count a block that proves itself; another chain than the one counted so far begins a new count."""
        before, signers = self.window.head, header.signers()
        anchor = self.expected.validators if before is None else frozenset(before.extra.validators)
        if not is_sealed(header, signers, anchor):
            raise InputError(
                f"block {header.number} lacks the seals that would prove it",
                way_out="look at the node: it tells a block that no quorum has sealed",
            )
        if before is not None and header.number == before.number + 1 and header.parent != before.hash:
            self.window = self._new_window()
        self.window.feed(header, signers)

    def _new_window(self) -> Window:
        addresses = set(self.sources.addresses.values()) or self.expected.validators
        return Window(sorted(addresses), self.period_s)


def _witnesses(verdict: Verdict) -> list[Sample]:
    """Sound validators with the newest head first."""
    ranked = sorted(verdict.sound, key=lambda s: s.answer.claimed if s.answer else 0, reverse=True)
    return ranked[:_WITNESSES]

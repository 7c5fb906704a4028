"""What consensus left in the headers, counted block by block: rounds, proposals, seals, intervals.

Memory is bounded by the number of validators: a header is counted and forgotten.
A block needs no more than a quorum of seals and a proposer stops collecting then, so a distant validator's
seal is often missing: a missing seal means nothing, none for two turns of everybody means silence.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Set
from dataclasses import dataclass, field

from chainfleet.model.besu.header import Header
from chainfleet.model.besu.proposers import missed_turns

from .catalogue import ROUNDS

_BUCKETS = (1, 1.5, 2, 3, 5, 10, 20)
"""Bounds of block intervals, in block periods."""


@dataclass(slots=True)
class Participation:
    """What one validator did in the blocks read."""

    proposed: int = 0
    missed: int = 0
    sealed: int = 0
    seen: int = 0
    """Newest block that it proposed or sealed; 0 for none."""


@dataclass(slots=True)
class Window:
    """Counts headers as they come, in order.

    Attributes:
        validators: addresses that are counted one by one; others are not counted.
        period_s: seconds between two blocks, for the buckets of the intervals.
    """

    validators: Collection[str]
    period_s: float
    by_validator: dict[str, Participation] = field(init=False)
    rounds: Counter[str] = field(default_factory=Counter)
    intervals: list[int] = field(init=False)
    """Blocks per bucket, not cumulated; the last one is everything above."""
    interval_sum_s: float = 0.0
    skipped: int = 0
    head: Header | None = None

    def __post_init__(self) -> None:
        self.by_validator = {address: Participation() for address in self.validators}
        self.intervals = [0] * (len(_BUCKETS) + 1)

    @property
    def bounds_s(self) -> tuple[float, ...]:
        """Upper bounds of the buckets, in seconds."""
        return tuple(bound * self.period_s for bound in _BUCKETS)

    def next_number(self, head: int, most: int) -> int:
        """Return the number of the next block to feed; further back than `most` blocks is skipped."""
        if self.head is None:
            # Block 1 waited for a quorum to come up: its round says nothing.
            return max(2, head - most + 1)
        return max(self.head.number + 1, head - most + 1)

    def feed(self, header: Header, signers: Set[str]) -> None:
        """Count one block; blocks between it and the one before are noted as skipped.

        A block that isn't above the newest one is left out.

        Args:
            header: the block.
            signers: who sealed it.
        """
        before = self.head
        if before is not None:
            if header.number <= before.number:
                return
            self.skipped += header.number - before.number - 1
        self.rounds[ROUNDS[min(header.extra.round, len(ROUNDS) - 1)]] += 1
        self._count_seals(header, signers)
        if before is not None and header.number == before.number + 1:
            self._count_missed(header, before)
            interval = max(0, header.timestamp - before.timestamp)
            self.intervals[bisect_left(self.bounds_s, interval)] += 1
            self.interval_sum_s += interval
        self.head = header

    def _count_seals(self, header: Header, signers: Set[str]) -> None:
        for address in signers:
            if (entry := self.by_validator.get(address)) is not None:
                entry.sealed += 1
                entry.seen = header.number
        if (entry := self.by_validator.get(header.proposer)) is not None:
            entry.proposed += 1
            entry.seen = header.number

    def _count_missed(self, header: Header, before: Header) -> None:
        # A round number is a 31-bit value that somebody else wrote: nobody has more than one turn in N rounds.
        turns = min(header.extra.round, len(header.extra.validators))
        for address in missed_turns(header.extra.validators, before.proposer, turns):
            if (entry := self.by_validator.get(address)) is not None:
                entry.missed += 1

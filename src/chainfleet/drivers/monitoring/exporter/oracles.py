"""What the oracle's feeds say on every chain, and what became of the CCIP messages between them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chainfleet.drivers.driver import Attempt
from chainfleet.model.errors import TaskFailed
from chainfleet.model.fleet import Chain as ChainSpec

from .catalogue import CCIP_RESULTS

if TYPE_CHECKING:
    from chainfleet.drivers.contracts.addresses import Record
    from chainfleet.drivers.contracts.chain import Chain

_LOG_BLOCKS = 2_000
"""Blocks whose logs are asked for at once: providers refuse more than a few thousand."""
_EVENTS = {
    "sent": "RoundSent",
    "received": "RoundReceived",
    "failed": "MessageFailed",
    "retried": "MessageRetried",
    "discarded": "MessageDiscarded",
    "rejected": "MessageRejected",
}
PATIENCE_S = 10.0
"""Seconds that one chain has for all its answers."""


@dataclass(frozen=True, slots=True)
class FeedState:
    """One feed at one moment.

    Attributes:
        chain: name of its chain in the fleet.
        answer: latest answer in its unit; None where the feed couldn't be read.
        round: number of the latest answered round.
        updated_at: when that was, in seconds since 1970.
        ccip: messages by what became of them; empty where the contract doesn't speak CCIP.
    """

    chain: str
    answer: float | None
    round: int = 0
    updated_at: int = 0
    ccip: Counter[str] = field(default_factory=Counter)

    @property
    def failed_messages(self) -> int:
        """Messages that wait for somebody to retry them."""
        return max(0, self.ccip["failed"] - self.ccip["retried"] - self.ccip["discarded"])


@dataclass(slots=True)
class _Logs:
    """CCIP events of one contract, counted up to a block."""

    address: str
    next_block: int
    counts: Counter[str] = field(default_factory=Counter)


class Oracles:
    """Reads the feeds of a fleet.

    Args:
        attempt: the fleet, how its chains are reached and where its address book lies.
    """

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._logs: dict[str, _Logs] = {}

    async def read(self) -> list[FeedState]:
        """Read all feeds; one that can't be read is shown as such."""
        specs = self._attempt.fleet.contracts.chains
        return list(await asyncio.gather(*(self._feed(spec) for spec in specs)))

    async def _feed(self, spec: ChainSpec) -> FeedState:
        from chainfleet.drivers.contracts.rpc import RpcError

        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._read(spec)
        except (TaskFailed, RpcError, TimeoutError, ValueError, TypeError, KeyError) as error:
            self._attempt.log(f"the feed on {spec.name} can't be read: {error or type(error).__name__}")
            return FeedState(spec.name, None, ccip=self._counts(spec.name))

    async def _read(self, spec: ChainSpec) -> FeedState:
        from chainfleet.drivers.contracts.abi import abi_of
        from chainfleet.drivers.contracts.addresses import AddressBook
        from chainfleet.drivers.contracts.artefacts import ORACLE_WITH_CCIP
        from chainfleet.drivers.contracts.session import folder_of, open_chain, still_there

        book = AddressBook(folder_of(self._attempt.workspace) / "addresses.json")
        async with AsyncExitStack() as stack:
            chain, _ = await stack.enter_async_context(open_chain(self._attempt, spec))
            record = await still_there(chain, book.of(spec.name, spec.chain_id))
            if record is None:
                return FeedState(spec.name, None)
            abi = abi_of(record.contract)
            round_, answer, _, updated_at, _ = await chain.read(abi, record.address, "latestRoundData")
            if record.contract == ORACLE_WITH_CCIP:
                await self._count_logs(spec.name, chain, record)
            scale = 10**self._attempt.fleet.contracts.oracle.decimals
            return FeedState(spec.name, answer / scale, round_, updated_at, self._counts(spec.name))

    async def _count_logs(self, name: str, chain: Chain, record: Record) -> None:
        """Count the events since the last look; a long way is gone in steps, one per look."""
        from chainfleet.drivers.contracts.abi import abi_of

        logs = self._logs.get(name)
        if logs is None or logs.address != record.address:
            logs = self._logs[name] = _Logs(record.address, record.block)
        last = min(await chain.head(), logs.next_block + _LOG_BLOCKS - 1)
        if last < logs.next_block:
            return
        abi = abi_of(record.contract)
        found = await asyncio.gather(
            *(
                chain.logs(record.address, abi.topic(_EVENTS[result]), logs.next_block, last)
                for result in CCIP_RESULTS
            )
        )
        for result, entries in zip(CCIP_RESULTS, found, strict=True):
            logs.counts[result] += len(entries)
        logs.next_block = last + 1

    def _counts(self, name: str) -> Counter[str]:
        return Counter(self._logs[name].counts) if name in self._logs else Counter()


def deviation(states: Sequence[FeedState], state: FeedState) -> float | None:
    """Return how far a feed is from the first one, as a share of that; None where there is nothing to compare."""
    reference = states[0].answer if states else None
    if reference is None or state.answer is None or not reference:
        return None
    return abs(state.answer - reference) / abs(reference)


def lag(states: Sequence[FeedState], state: FeedState) -> int | None:
    """Return how many rounds a feed is behind the furthest one; None where it can't be read."""
    if state.answer is None:
        return None
    return max(s.round for s in states if s.answer is not None) - state.round

"""The trusted relayer: reads answered rounds on one chain and submits them on the other under its own role.

It is no CCIP and doesn't pretend to be: who holds the relayer's key decides what the other chain is told.
Its state lies on the target chain itself: the latest round there says where to go on, and the contract takes
a round only once and in ascending order. So a relayer killed at any moment loses and doubles nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from chainfleet.model.errors import ErrorClass, TaskFailed

from .abi import Abi
from .chain import Chain
from .metrics import Metrics
from .rpc import RpcError
from .transactions import Intent, Sender

_BATCH = 16
"""Rounds read at once while catching up."""
_BACKOFF_S = (1.0, 60.0)
_MOST_DOUBLINGS = 10
"""An outage may last for days: two to the number of failures would not fit into a float."""
_NO_DATA = (0, 0, 0, 0, 0)
_PASSING = ("AggregatorFutureTimestamp", "AggregatorPaused", "AggregatorRoundNotNewer")
"""Why a target may refuse a round only now: its clock is behind, it is paused, somebody was quicker."""

Round = tuple[int, int, int, int, int]
"""Number, answer, start, end, round it was answered in: as `getRoundData` gives them."""


@dataclass(frozen=True, slots=True)
class Feed:
    """A contract with Chainlink's interface on one chain.

    Attributes:
        chain: the chain; its identity has been checked.
        address: the contract.
        abi: its interface.
        depth: blocks that must hold what is read, 0 and 1 being the latest block.
    """

    chain: Chain
    address: str
    abi: Abi
    depth: int = 1

    async def unit(self) -> tuple[str, int]:
        """What is measured and in which decimals; two feeds that are to tell the same agree in both."""
        (description,) = await self.chain.read(self.abi, self.address, "description")
        (decimals,) = await self.chain.read(self.abi, self.address, "decimals")
        return str(description), int(decimals)

    async def settled_block(self) -> str:
        """The newest block that is deep enough, `0x…`."""
        return hex(max(0, await self.chain.head() - max(0, self.depth - 1)))

    async def latest(self, block: str = "latest") -> int:
        """Number of the latest answered round; 0 if there is none."""
        query = {"to": self.address, "data": self.abi.call("latestRound")}
        data = str(await self.chain.rpc.call("eth_call", [query, block]))
        # A block from before the contract was deployed answers with nothing.
        return 0 if data == "0x" else int(self.abi.result("latestRound", data)[0])

    async def round(self, number: int, block: str = "latest") -> Round:
        """A round; zeros if it has no data."""
        try:
            values = await self._at(block, "getRoundData", number)
        except RpcError as error:
            if error.data is None and "revert" not in error.message.lower():
                raise
            return _NO_DATA
        return values[0], values[1], values[2], values[3], values[4]

    async def unsettled(self, number: int, updated_at: int, block: str, settle_s: float) -> bool:
        """Whether a round's answer may still change, because submissions are missing, and is young."""
        (current,) = await self._at(block, "openRound")
        if current[0] != number or current[4] == 0:
            return False
        now = int((await self.chain.block(int(block, 16)))["timestamp"], 16)
        return now - updated_at < settle_s

    async def _at(self, block: str, function: str, *arguments: Any) -> tuple[Any, ...]:
        query = {"to": self.address, "data": self.abi.call(function, *arguments)}
        return self.abi.result(function, str(await self.chain.rpc.call("eth_call", [query, block])))


@dataclass(frozen=True, slots=True)
class Policy:
    """How the relayer goes about it.

    Attributes:
        interval_s: seconds between two looks at the source.
        settle_s: seconds after which an answer that may still change is relayed all the same.
        first_round: rounds before it are left out.
    """

    interval_s: float = 2.0
    settle_s: float = 30.0
    first_round: int = 1


class Carrier(Protocol):
    """Carries rounds from a source to another chain."""

    async def check(self) -> None:
        """Make sure that it can; TaskFailed says what is missing."""
        ...

    async def step(self) -> int:
        """Carry what is there; return how many rounds it was."""
        ...


async def keep_going(
    carrier: Carrier,
    *,
    policy: Policy,
    metrics: Metrics,
    random: Callable[[], float],
    log: Callable[[str], None],
    stopped: Callable[[], bool],
    sleep: Callable[[float], Awaitable[None]],
) -> None:
    """Carry rounds until told to stop; a failure that time may heal is waited out, with full jitter.

    Args:
        carrier: what carries.
        policy: how it goes about it.
        metrics: counts failures.
        random: a number between 0 and 1, for backing off.
        log: takes a line for the operator.
        stopped: whether to stop.
        sleep: waits that many seconds.

    Raises:
        TaskFailed: one that needs a person.
    """
    failures = 0
    while not stopped():
        try:
            await carrier.step()
            failures = 0
            await sleep(policy.interval_s)
        except TaskFailed as error:
            metrics.failed(error.error_class.value)
            if not error.error_class.retryable:
                raise
            wait = random() * min(_BACKOFF_S[1], _BACKOFF_S[0] * 2 ** min(failures, _MOST_DOUBLINGS))
            wait = max(wait, error.retry_after_s or 0.0)
            failures += 1
            log(f"trying again in {wait:.1f} s: {error.message}")
            await sleep(wait)


class Relayer:
    """Carries rounds from a source to a target.

    Args:
        source: read only.
        target: where `sender` holds the relayer's role.
        sender: sends to the target's chain.
        policy: how it goes about it.
        metrics: counts what is done.
        log: takes a line for the operator.
    """

    def __init__(
        self,
        source: Feed,
        target: Feed,
        sender: Sender,
        *,
        policy: Policy,
        metrics: Metrics,
        log: Callable[[str], None],
    ) -> None:
        self._source = source
        self._target = target
        self._sender = sender
        self._policy = policy
        self._metrics = metrics
        self._log = log
        self._seen = 0

    async def check(self) -> None:
        """Make sure that both feeds measure the same and that the relayer may relay.

        Raises:
            TaskFailed: CONFIGURATION or AUTHORISATION, with the way out.
        """
        source, target = await self._source.unit(), await self._target.unit()
        if source != target:
            message = (
                f"the feeds differ: {source[0]} with {source[1]} decimals and {target[0]} with {target[1]}"
            )
            raise TaskFailed(
                ErrorClass.CONFIGURATION,
                message,
                fingerprint="relay:unit",
                way_out="deploy both feeds with the same description and decimals",
            )
        chain, abi = self._target.chain, self._target.abi
        (role,) = await chain.read(abi, self._target.address, "RELAYER_ROLE")
        (holds,) = await chain.read(abi, self._target.address, "hasRole", role, self._sender.address)
        if not holds:
            message = f"{self._sender.address} is no relayer of {self._target.address} on {chain.name}"
            command = f"chainfleet oracle grant FLEET --chain {chain.name} --account {self._sender.address}"
            way_out = f"let the admin run: {command}"
            raise TaskFailed(ErrorClass.AUTHORISATION, message, way_out=way_out, fingerprint="relay:role")

    async def step(self) -> int:
        """Relay what is answered at the source and missing at the target, oldest first; return how many."""
        try:
            return await self._step()
        except RpcError as error:
            raise TaskFailed(ErrorClass.TRANSIENT, f"relay: {error}", fingerprint="relay:rpc") from error

    async def _step(self) -> int:
        block = await self._source.settled_block()
        newest, known = await self._source.latest(block), await self._target.latest()
        self._metrics.at(source=newest, target=known)
        number, relayed = max(known + 1, self._policy.first_round, self._seen + 1), 0
        while number <= newest:
            last = min(newest, number + _BATCH - 1)
            rounds = await asyncio.gather(*(self._source.round(n, block) for n in range(number, last + 1)))
            for current in zip(range(number, last + 1), rounds, strict=True):
                if not await self._carry(*current, newest, block):
                    return relayed
                relayed += 1
            number = last + 1
        return relayed

    async def _carry(self, number: int, data: Round, newest: int, block: str) -> bool:
        """Bring one round over or leave it out for good; False if it has to wait."""
        _, answer, started_at, updated_at, answered_in = data
        if answered_in != number:
            self._leave_out(number, "unanswered")
            return True
        if number == newest and await self._source.unsettled(
            number, updated_at, block, self._policy.settle_s
        ):
            return False
        (latest_timestamp,) = await self._read_target("latestTimestamp")
        if updated_at < latest_timestamp:
            self._log(
                f"round {number} is older than the latest answer of {self._target.chain.name}; left out"
            )
            self._leave_out(number, "superseded")
            return True
        try:
            mined = await self._sender.send(self._intent(number, answer, started_at, updated_at))
        except TaskFailed as error:
            if any(reason in error.message for reason in _PASSING):
                raise TaskFailed(
                    ErrorClass.CHAIN_NOT_READY, error.message, fingerprint="relay:wait"
                ) from error
            raise
        self._seen = number
        self._metrics.relayed(number)
        self._log(f"round {number} = {answer} is on {self._target.chain.name} in block {mined.block}")
        return True

    def _leave_out(self, number: int, why: str) -> None:
        self._seen = max(self._seen, number)
        self._metrics.left_out(why)

    async def _read_target(self, function: str) -> tuple[Any, ...]:
        return await self._target.chain.read(self._target.abi, self._target.address, function)

    def _intent(self, number: int, answer: int, started_at: int, updated_at: int) -> Intent:
        arguments = {"round": number, "answer": answer, "startedAt": started_at, "updatedAt": updated_at}
        return Intent(
            key=f"relay:{self._target.address}:{self._source.chain.chain_id}:{self._source.address}:{number}",
            what=f"relaying round {number} to {self._target.chain.name}",
            abi=self._target.abi,
            data=self._target.abi.call("relayRound", number, answer, started_at, updated_at),
            to=self._target.address,
            arguments=arguments,
        )

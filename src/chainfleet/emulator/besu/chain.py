"""One QBFT chain: its blocks, made when a quorum is there and not otherwise.

Blocks follow from arithmetic on time, so nothing runs while nobody looks: `advance` makes the blocks that
have come due. Only waiting transactions need a task, which makes their block at the moment it's due.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from chainfleet.model.besu.extra_data import Vote

from .. import background
from . import consensus
from .evm import Evm, Executed
from .genesis import Genesis
from .headers import Block, Content, genesis_header, hash_block, hashed_extra
from .ledger import Bodies
from .votes import Votes

Json = dict[str, Any]

_log = logging.getLogger(__name__)

REAL_WAIT_S = 0.25
"""Real seconds after which a waiting transaction gets its block, unless time passes as in reality."""


class QbftChain:
    """The chain of one genesis.

    Args:
        genesis: where it begins.
        evm: executes transactions; started by the first node.
        wall: the emulated time of day in seconds since 1970.
        time_scale: emulated seconds per real second.
        ballot: address → the vote that its node wants to cast now.
        changed: told after new blocks with transactions.
        punctual: address → whether its clock is good enough for its proposals to be taken.
    """

    def __init__(
        self,
        genesis: Genesis,
        evm: Evm,
        *,
        wall: Callable[[], float],
        time_scale: float,
        ballot: Callable[[str], Vote | None],
        changed: Callable[[], None],
        punctual: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._punctual = punctual
        self.genesis = genesis
        self.evm = evm
        self.bodies = Bodies()
        self.votes = Votes(genesis.validators, genesis.epoch)
        self.blocks: list[Block] = [genesis_header(genesis)]
        self.numbers: dict[bytes, int] = {self.blocks[0].hash: 0}
        self.sealed: dict[int, bytes] = {}
        self._wall = wall
        self._scale = time_scale
        self._ballot = ballot
        self._told = changed
        self._crew: tuple[str, ...] = ()
        self._plan: consensus.Plan | None = None
        self._recovering = False
        self._replanned = asyncio.Event()
        self._waiting = False
        self._sent = False
        """Whether a transaction came since the miner asked for what waits."""
        self._miner: asyncio.Task[None] | None = None
        self._starting: asyncio.Task[None] | None = None

    async def ready(self) -> None:
        """Wait until the EVM runs (started at the first call)."""
        if self._starting is None:
            self._starting = asyncio.create_task(self.evm.start())
        await asyncio.shield(self._starting)

    async def stop(self) -> None:
        """Stop making blocks, and the EVM."""
        self._plan = None
        await background.stop(self._miner)
        await self.evm.stop()

    @property
    def validators(self) -> tuple[str, ...]:
        """The validator set that agrees on the next block, ascending."""
        return self.votes.validators

    @property
    def head(self) -> Block:
        """The newest block; call `advance` first."""
        return self.blocks[-1]

    @property
    def producing(self) -> bool:
        """Whether blocks come."""
        return self._plan is not None

    def advance(self) -> Block:
        """Make the empty blocks that have come due; returns the newest block."""
        now = self._wall()
        while not self._waiting and self._plan is not None and self._plan.due <= now:
            self._append(self._plan, None)
        return self.blocks[-1]

    def set_crew(self, starts: Mapping[str, float], now: float) -> None:
        """Tell which validators are up and connected to each other.

        Args:
            starts: address → when the node came up (its round timers start then).
            now: emulated time of day.
        """
        self.advance()
        crew = tuple(sorted(a for a in starts if a in self.validators))
        if crew == self._crew and (self._plan is not None or not crew):
            return
        before, self._crew = set(self._crew), crew
        if not self.validators or len(crew) < consensus.quorum(len(self.validators)):
            self._plan = None
        elif self._plan is None or self._recovering:
            # Those who join while a quorum is finding its common round change nothing about that.
            if self._plan is None or not before <= set(crew):
                self._plan = self._recover(starts, now)
                self._recovering = True
        else:
            self._plan = self._next(not_before=now)
        self._replanned.set()

    def _next(self, *, not_before: float = float("-inf")) -> consensus.Plan | None:
        head, genesis = self.blocks[-1], self.genesis
        if len(self._crew) < consensus.quorum(len(self.validators)):
            return None
        # A header from more than a second in the future is refused: its proposer's turn passes.
        return consensus.next_block(
            self.validators,
            [address for address in self._crew if self._punctual(address)],
            head.proposer,
            start=head.timestamp + genesis.period_s,
            timeout_s=genesis.timeout_s,
            not_before=not_before,
        )

    def _recover(self, starts: Mapping[str, float], now: float) -> consensus.Plan | None:
        earliest = self.blocks[-1].timestamp + self.genesis.period_s
        return consensus.recovery(
            self.validators,
            {a: max(starts[a], earliest) for a in self._crew},
            self.blocks[-1].proposer,
            timeout_s=self.genesis.timeout_s,
            connected_at=now,
        )

    def base_fee(self) -> int | None:
        """The next block's base fee in wei (EIP-1559)."""
        head = self.blocks[-1]
        if head.base_fee is None or self.genesis.zero_base_fee:
            return head.base_fee if head.base_fee is None else 0
        target = head.gas_limit // 2
        used = head.content.gas_used
        change = head.base_fee * abs(used - target) // target // 8
        if used > target:
            return head.base_fee + max(change, 1)
        return head.base_fee - change

    def _append(self, plan: consensus.Plan, executed: Executed | None) -> Block:
        head = self.blocks[-1]
        vote = self._ballot(plan.proposer)
        content = executed.content if executed else Content(head.content.state_root)
        timestamp = max(head.timestamp + self.genesis.period_s, int(plan.due))
        validators = self.validators
        block = Block(
            head.number + 1,
            b"",
            head.hash,
            timestamp,
            plan.proposer,
            plan.round,
            self._crew,
            validators,
            content,
            head.gas_limit,
            self.base_fee(),
            vote,
        )
        block = replace(block, hash=hash_block(self.genesis, block, hashed_extra(validators, vote)))
        self.blocks.append(block)
        self.numbers[block.hash] = block.number
        if executed:
            self.bodies.add(block, executed.transactions, executed.receipts)
        changed_set = self.votes.count(block)
        if changed_set:
            self._crew = tuple(a for a in self._crew if a in self.validators)
        self._recovering = False
        self._plan = self._next()
        return block

    async def send(self, raw: str) -> str:
        """Take a signed transaction; it's in a block as soon as one is due.

        Raises:
            RpcError: it's refused.
        """
        digest = await self.evm.send(raw)
        self._sent = True
        if self._miner is None or self._miner.done():
            self._miner = background.begin(self._mine(), "blocks of transactions")
        return digest

    async def _mine(self) -> None:
        """Make the blocks of waiting transactions."""
        while await self._is_anything_waiting():
            self.advance()
            self._waiting = True
            try:
                plan = await self._until_due()
                await self._execute(plan)
            finally:
                self._waiting = False
        self._told()

    async def _is_anything_waiting(self) -> bool:
        self._sent = True
        while self._sent:
            self._sent = False
            if await self.evm.pending():
                return True
            # One that came while the answer was on its way isn't in it, and found a miner that was still there.
        return False

    async def _until_due(self) -> consensus.Plan:
        while True:
            self._replanned.clear()
            plan = self._plan
            if plan is None:
                await self._replanned.wait()
                continue
            pause = max(0.0, (plan.due - self._wall()) / self._scale)
            if self._scale > 1:
                pause = min(pause, REAL_WAIT_S)
            await (background.within(pause, self._replanned) if pause else asyncio.sleep(0))
            if self._plan is plan:
                return plan

    async def _execute(self, plan: consensus.Plan) -> None:
        head = self.blocks[-1]
        timestamp = max(head.timestamp + self.genesis.period_s, int(plan.due))
        who = self.genesis.beneficiary or plan.proposer
        executed = await self.evm.execute(head, head.number + 1, timestamp, who, self.base_fee())
        self._append(plan, executed)

    def round_of(self, start: float) -> int:
        """In which round a node is that stands still since `start`."""
        began = max(start, self.blocks[-1].timestamp + self.genesis.period_s)
        return consensus.current_round(began, self.genesis.timeout_s, self._wall())

"""Transactions get their block, whenever they come."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from chainfleet.emulator.besu.chain import QbftChain
from chainfleet.emulator.besu.evm import Evm, Executed
from chainfleet.emulator.besu.genesis import Genesis
from chainfleet.emulator.besu.headers import Block, Content

ROOT = "0x" + "00" * 32
VALIDATORS = tuple(f"0x{number:040x}" for number in range(1, 5))


class Pool:
    """Keeps transactions as an EVM does; after a block its next answer is held up on its way."""

    def __init__(self) -> None:
        self.waiting: list[str] = []
        self.blocks: list[list[str]] = []
        self.mined = asyncio.Event()
        self.asked = asyncio.Event()
        self.arrives = asyncio.Event()
        self.arrives.set()

    async def send(self, raw: str) -> str:
        self.waiting.append(raw)
        return raw

    async def pending(self) -> int:
        answer = len(self.waiting)
        if not answer:
            self.asked.set()
        await self.arrives.wait()
        return answer

    async def execute(self, parent: Block, *_: Any) -> Executed:
        self.blocks.append(self.waiting)
        self.waiting = []
        self.mined.set()
        self.arrives.clear()
        return Executed(Content(parent.content.state_root), [], [])

    async def stop(self) -> None:
        pass


def chain_of(pool: Pool) -> QbftChain:
    genesis = Genesis(
        hash=ROOT, state_root=ROOT, chain_id=138, validators=VALIDATORS, period_s=1, timeout_s=1, epoch=30000,
        timestamp=0, gas_limit=30_000_000, base_fee=None, zero_base_fee=True, fork="london", extra_data=b"",
        beneficiary="", code_size_limit=0, alloc={}, raw={},
    )  # fmt: skip
    chain = QbftChain(
        genesis,
        cast(Evm, pool),
        wall=lambda: 1e6,
        time_scale=300.0,
        ballot=lambda _: None,
        changed=lambda: None,
    )
    chain.set_crew(dict.fromkeys(VALIDATORS, 1e6), 1e6)
    return chain


def test_one_that_comes_while_the_last_answer_is_on_its_way_is_not_forgotten() -> None:
    async def run() -> None:
        pool = Pool()
        chain = chain_of(pool)
        await chain.send("first")
        async with asyncio.timeout(60):
            await pool.asked.wait()
            pool.mined.clear()
            await chain.send("second")
            pool.arrives.set()
            await pool.mined.wait()
        assert pool.blocks == [["first"], ["second"]]
        await chain.stop()

    asyncio.run(run())

"""Sends answered rounds through CCIP, where a router and a lane are configured.

Only the latest round matters to who reads the other chain, and CCIP delivers without us: so a round that was
overtaken while nothing could be sent is not sent afterwards. What was sent is in the journal.
"""

from __future__ import annotations

from collections.abc import Callable

from chainfleet.model.errors import ErrorClass, TaskFailed

from .metrics import Metrics
from .relay import Feed, Policy
from .rpc import RpcError
from .transactions import Intent, Sender

_STATES = ("disabled", "local", "live")
_ROOM = (5, 4)
"""Fees move between quote and transaction: a quarter more is offered, and the contract returns what is left."""


class CcipCarrier:
    """Sends the latest round of a source to one CCIP lane.

    Args:
        source: an `OracleWithCCIP`.
        selector: CCIP's selector of the chain to send to.
        sender: holds the sender's role there, and pays.
        policy: how it goes about it.
        metrics: counts what is done.
        log: takes a line for the operator.
    """

    def __init__(
        self,
        source: Feed,
        selector: int,
        sender: Sender,
        *,
        policy: Policy,
        metrics: Metrics,
        log: Callable[[str], None],
    ) -> None:
        self._source = source
        self._selector = selector
        self._sender = sender
        self._policy = policy
        self._metrics = metrics
        self._log = log
        self._sent = 0

    async def check(self) -> None:
        """Make sure that the lane is open and the key may send.

        Raises:
            TaskFailed: CONFIGURATION or AUTHORISATION, with the way out.
        """
        state = _STATES[(await self._read("laneState", self._selector))]
        if state == "disabled":
            message = f"the CCIP lane to selector {self._selector} is disabled on {self._source.chain.name}"
            way_out = "let its CCIP manager set the lane; chain 138 has no selector: relay without CCIP"
            raise TaskFailed(ErrorClass.CONFIGURATION, message, way_out=way_out, fingerprint="ccip:disabled")
        role = await self._read("SENDER_ROLE")
        if not await self._read("hasRole", role, self._sender.address):
            message = f"{self._sender.address} may not send rounds of {self._source.address}"
            way_out = "let the admin grant it SENDER_ROLE"
            raise TaskFailed(ErrorClass.AUTHORISATION, message, way_out=way_out, fingerprint="ccip:role")
        self._log(f"CCIP lane to selector {self._selector}: {state}")

    async def step(self) -> int:
        """Send the latest settled round, unless it was sent; return how many were sent."""
        try:
            return await self._step()
        except RpcError as error:
            raise TaskFailed(ErrorClass.TRANSIENT, f"ccip: {error}", fingerprint="ccip:rpc") from error

    async def _step(self) -> int:
        block = await self._source.settled_block()
        number = await self._source.latest(block)
        self._metrics.at(source=number, target=self._sent)
        if number <= self._sent or number < self._policy.first_round:
            return 0
        _, _, _, updated_at, _ = await self._source.round(number, block)
        if await self._source.unsettled(number, updated_at, block, self._policy.settle_s):
            return 0
        key = f"ccip:{self._source.address}:{self._selector}:{number}"
        if await self._sender.find(key) is None:
            fee = await self._read("quote", self._selector, number)
            mined = await self._sender.send(self._intent(key, number, fee * _ROOM[0] // _ROOM[1]))
            self._log(f"round {number} was sent by CCIP in block {mined.block} for {fee} wei")
        self._sent = number
        self._metrics.relayed(number)
        return 1

    def _intent(self, key: str, number: int, most: int) -> Intent:
        return Intent(
            key=key,
            what=f"sending round {number} by CCIP from {self._source.chain.name}",
            abi=self._source.abi,
            data=self._source.abi.call("sendRound", self._selector, number, most),
            to=self._source.address,
            value=most,
            arguments={"round": number, "selector": self._selector},
        )

    async def _read(self, function: str, *arguments: object) -> int:
        values = await self._source.chain.read(self._source.abi, self._source.address, function, *arguments)
        value: int = values[0]
        return value

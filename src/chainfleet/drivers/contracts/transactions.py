"""Sends each transaction once, whatever happens to this process meanwhile.

Signed, written to the journal, sent, waited for. A rerun with the same key first looks at what the journal
holds: a transaction that was mined is taken as done, one that can still be mined is sent again as it is, and
only one whose nonce went to another transaction is signed anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chainfleet.model.errors import ErrorClass, TaskFailed

from .abi import Abi
from .chain import Chain, Fees, failure_of
from .journal import Entry, Journal
from .locks import exclusive
from .rpc import RpcError
from .signer import Signer

_GONE_AFTER_POLLS = 5
"""A nonce that is used while no node shows one of our receipts for so many polls went to somebody else."""
_RESEND_EVERY_POLLS = 20
_LOCK_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Intent:
    """What is to be sent.

    Attributes:
        key: names the effect; the same key is never carried out twice.
        what: what messages call it.
        abi: decodes why it would revert.
        data: call data or creation code, `0x…`.
        to: the contract; None creates one.
        artefact: bytecode hash, for a creation.
        arguments: what it was made from, for people who read the journal.
        value: wei sent along.
    """

    key: str
    what: str
    abi: Abi
    data: str
    to: str | None = None
    artefact: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    value: int = 0


@dataclass(frozen=True, slots=True)
class Mined:
    """A transaction that is deep enough in the chain.

    Attributes:
        hash: of the transaction.
        block: its block's number.
        contract: address of what it created, if it did.
        gas_used: what it cost.
        sent_now: whether this call signed it.
    """

    hash: str
    block: int
    contract: str | None
    gas_used: int
    sent_now: bool


@dataclass(frozen=True, slots=True)
class Pace:
    """How waiting goes.

    Attributes:
        poll_s: seconds between two looks at the chain.
        confirmations: blocks that must hold the transaction, its own included; 0 is like 1.
        bump_after_s: seconds after which a transaction that isn't mined offers more; None never does.
    """

    poll_s: float = 1.0
    confirmations: int = 1
    bump_after_s: float | None = 90.0


class Sender:
    """Sends transactions of one account on one chain.

    Args:
        chain: where to; its identity has been checked.
        signer: who signs.
        journal: where entries go before they are sent.
        lock: file that serialises users of the key.
        pace: how waiting goes.
        fence: raises when effects are no longer allowed.
        log: takes a line for the operator.
    """

    def __init__(
        self,
        chain: Chain,
        signer: Signer,
        journal: Journal,
        lock: Path,
        *,
        pace: Pace,
        fence: Callable[[], None],
        log: Callable[[str], None],
    ) -> None:
        self._chain = chain
        self._signer = signer
        self._journal = journal
        self._lock = lock
        self._pace = pace
        self._fence = fence
        self._log = log

    @property
    def address(self) -> str:
        """The account."""
        return self._signer.address

    async def find(self, key: str) -> Mined | None:
        """Return a transaction of that key that was mined and succeeded; sends nothing."""
        return await self._mined(self._of(key), sent_now=False)

    async def send(self, intent: Intent) -> Mined:
        """Carry an intent out, or find that it was.

        Raises:
            TaskFailed: it would revert, the balance is too small, or the chain can't be reached.
        """
        async with exclusive(self._lock, timeout_s=_LOCK_TIMEOUT_S):
            entries = await self._alive(intent)
            if entries:
                self._log(f"{intent.what}: taking up transaction {entries[-1].hash} of an earlier run")
                await self._broadcast(entries[-1], intent)
                return await self._wait(intent, entries, sent_now=False)
            entry = await self._sign(intent)
            await self._broadcast(entry, intent)
            self._log(f"{intent.what}: sent {entry.hash} with nonce {entry.nonce}")
            return await self._wait(intent, [entry], sent_now=True)

    async def _alive(self, intent: Intent) -> list[Entry]:
        """Entries of the key that were or can still be mined; empty if a new one has to be signed."""
        entries = self._of(intent.key)
        for _ in range(_GONE_AFTER_POLLS if entries else 0):
            used = await self._chain.nonce(self.address)
            states = [await self._chain.receipt(entry.hash) for entry in entries]
            if any(receipt and _succeeded(receipt) for receipt in states):
                return entries
            usable = [
                entry
                for entry, receipt in zip(entries, states, strict=True)
                if receipt is None and entry.nonce >= used
            ]
            if usable:
                return usable
            if all(receipt is not None for receipt in states):
                break  # all were mined and reverted
            await asyncio.sleep(self._pace.poll_s)
        return []

    def _of(self, key: str) -> list[Entry]:
        return [entry for entry in self._journal.entries(key) if entry.sender == self.address]

    async def _sign(self, intent: Intent) -> Entry:
        nonce = await self._chain.nonce(self.address, "pending")
        fees = await self._chain.fees()
        request: dict[str, Any] = {"from": self.address, "data": intent.data, "value": intent.value}
        if intent.to is not None:
            request["to"] = intent.to
        gas = await self._chain.gas_limit(request, intent.abi, intent.what)
        await self._check_balance(intent, gas, fees)
        return await self._write(intent, nonce, gas, fees)

    async def _write(self, intent: Intent, nonce: int, gas: int, fees: Fees) -> Entry:
        from eth_utils.crypto import keccak

        transaction: dict[str, Any] = {
            "chainId": self._chain.chain_id,
            "nonce": nonce,
            "gas": gas,
            "value": intent.value,
            "data": intent.data,
        }
        if intent.to is not None:
            transaction["to"] = intent.to
        if fees.legacy:
            transaction["gasPrice"] = fees.max_fee
        else:
            transaction |= {"type": 2, "maxFeePerGas": fees.max_fee, "maxPriorityFeePerGas": fees.priority}
        raw = await self._signer.sign(transaction)
        entry = Entry(
            key=intent.key,
            genesis=self._journal.genesis,
            sender=self.address,
            nonce=nonce,
            hash="0x" + keccak(raw).hex(),
            raw="0x" + raw.hex(),
            artefact=intent.artefact,
            arguments=dict(intent.arguments),
        )
        self._fence()
        self._journal.append(entry)
        return entry

    async def _check_balance(self, intent: Intent, gas: int, fees: Fees) -> None:
        needed = gas * fees.max_fee + intent.value
        if needed and (balance := await self._chain.balance(self.address)) < needed:
            message = f"{intent.what}: {self.address} has {balance} wei, and it may cost {needed}"
            raise TaskFailed(
                ErrorClass.CONFIGURATION, message, way_out="fund it", fingerprint="chain:balance"
            )

    async def _broadcast(self, entry: Entry, intent: Intent) -> None:
        self._fence()
        try:
            await self._chain.send(entry.raw)
        except RpcError as error:
            raise failure_of(error, intent.what, intent.abi) from error

    async def _wait(self, intent: Intent, entries: Sequence[Entry], *, sent_now: bool) -> Mined:
        entries, polls, gone, bumps = list(entries), 0, 0, 1
        while True:
            mined = await self._mined(entries, sent_now=sent_now)
            if mined is not None:
                if await self._chain.head() - mined.block + 1 >= self._pace.confirmations:
                    return mined
            elif await self._chain.nonce(self.address) > entries[-1].nonce:
                gone += 1
                await self._check_reverted(intent, entries)
                if gone >= _GONE_AFTER_POLLS:
                    message = f"{intent.what}: nonce {entries[-1].nonce} went to another transaction"
                    way_out = f"let nobody else send with the key of {self.address}"
                    raise TaskFailed(
                        ErrorClass.TRANSIENT, message, way_out=way_out, fingerprint="chain:nonce-taken"
                    )
            await asyncio.sleep(self._pace.poll_s)
            polls += 1
            if mined is None and self._due_to_bump(polls, bumps):
                entries.append(await self._bump(intent, entries[-1]))
                bumps += 1
            elif mined is None and polls % _RESEND_EVERY_POLLS == 0:
                await self._broadcast(entries[-1], intent)

    def _due_to_bump(self, polls: int, bumps: int) -> bool:
        after = self._pace.bump_after_s
        return after is not None and polls * self._pace.poll_s >= bumps * after

    async def _bump(self, intent: Intent, stuck: Entry) -> Entry:
        """Replace a transaction that isn't mined by one that offers more, with the same nonce."""
        from eth_account.typed_transactions.typed_transaction import TypedTransaction
        from hexbytes import HexBytes

        offered = TypedTransaction.from_bytes(HexBytes(stuck.raw)).as_dict()
        old = Fees(int(offered["maxFeePerGas"]), int(offered["maxPriorityFeePerGas"]))
        now, least = await self._chain.fees(), old.bumped()
        fees = Fees(max(now.max_fee, least.max_fee), max(now.priority, least.priority))
        gas = int(offered["gas"])
        await self._check_balance(intent, gas, fees)
        entry = await self._write(intent, stuck.nonce, gas, fees)
        self._log(f"{intent.what}: not mined yet, replaced by {entry.hash} at {fees.max_fee} wei per gas")
        await self._broadcast(entry, intent)
        return entry

    async def _mined(self, entries: Sequence[Entry], *, sent_now: bool) -> Mined | None:
        for entry in reversed(entries):
            receipt = await self._chain.receipt(entry.hash)
            if receipt and _succeeded(receipt):
                return Mined(
                    hash=entry.hash,
                    block=int(receipt["blockNumber"], 16),
                    contract=receipt.get("contractAddress"),
                    gas_used=int(receipt["gasUsed"], 16),
                    sent_now=sent_now,
                )
        return None

    async def _check_reverted(self, intent: Intent, entries: Sequence[Entry]) -> None:
        for entry in entries:
            receipt = await self._chain.receipt(entry.hash)
            if receipt and not _succeeded(receipt):
                message = f"{intent.what}: transaction {entry.hash} was mined but reverted"
                raise TaskFailed(ErrorClass.TRANSIENT, message, fingerprint="chain:reverted")


def _succeeded(receipt: Mapping[str, Any]) -> bool:
    return int(receipt.get("status", "0x0"), 16) == 1

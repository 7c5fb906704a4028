"""Makes chains with real seals, and validators that show them as Besu would, or lie."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import cache

import coincurve

from chainfleet.drivers.kubernetes.client import RpcError
from chainfleet.model.besu import rlp
from chainfleet.model.besu.extra_data import ExtraData, encode_extra_data
from chainfleet.model.besu.hashing import keccak256
from chainfleet.model.besu.identity import PrivateKey
from chainfleet.model.besu.proposers import proposer

BYTES32 = "0x" + "11" * 32
CHAIN_ID = 138


@cache
def keys(count, first=1):
    made = [PrivateKey((first * 1000 + i).to_bytes(32, "big")) for i in range(count)]
    return dict(sorted((key.address(), key) for key in made))


def _digest(block, extra):
    """Keccak of the header as written by hand here: an oracle for the model's own code."""
    number = lambda name: rlp.encode_integer(int(block[name], 16))  # noqa: E731
    raw = lambda name: bytes.fromhex(block[name][2:])  # noqa: E731
    items = [raw(n) for n in ("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot")]
    items += [raw("receiptsRoot"), raw("logsBloom"), number("difficulty"), number("number")]
    items += [number("gasLimit"), number("gasUsed"), number("timestamp"), encode_extra_data(extra)]
    items += [raw("mixHash"), raw("nonce"), number("baseFeePerGas"), raw("withdrawalsRoot")]
    items += [number("blobGasUsed"), number("excessBlobGas"), raw("parentBeaconBlockRoot")]
    return keccak256(rlp.encode(items))


def make_block(number, parent, timestamp, who, validators, *, at_round=0, signers=()):
    """A block as JSON-RPC shows it, sealed by these keys."""
    bare = ExtraData(tuple(validators), round=at_round)
    block = {
        "number": hex(number),
        "parentHash": parent,
        "timestamp": hex(timestamp),
        "miner": who,
        "sha3Uncles": BYTES32,
        "stateRoot": BYTES32,
        "transactionsRoot": BYTES32,
        "receiptsRoot": BYTES32,
        "logsBloom": "0x" + "00" * 256,
        "difficulty": "0x1",
        "gasLimit": hex(30_000_000),
        "gasUsed": hex(3_000_000),
        "mixHash": BYTES32,
        "nonce": "0x0000000000000000",
        "baseFeePerGas": "0x0",
        "withdrawalsRoot": BYTES32,
        "blobGasUsed": "0x0",
        "excessBlobGas": "0x0",
        "parentBeaconBlockRoot": "0x" + "0" * 64,
    }
    digest = _digest(block, bare)
    seals = tuple(coincurve.PrivateKey(k.secret).sign_recoverable(digest, hasher=None) for k in signers)
    block["hash"] = "0x" + _digest(block, ExtraData(tuple(validators))).hex()
    block["extraData"] = (
        "0x" + encode_extra_data(ExtraData(tuple(validators), round=at_round, seals=seals)).hex()
    )
    return block


@dataclass
class Chain:
    """A chain that grows as told."""

    validators: dict[str, PrivateKey]
    period: int = 5
    begin: int = 1_800_000_000
    blocks: list[dict] = field(default_factory=list)

    def __post_init__(self):
        zero = make_block(0, "0x" + "0" * 64, self.begin, "0x" + "0" * 40, self.validators)
        self.blocks.append(zero)

    @property
    def genesis(self):
        return self.blocks[0]["hash"]

    @property
    def head(self):
        return len(self.blocks) - 1

    def grow(self, count=1, *, silent=(), at_round=0, late=0):
        """Add blocks, sealed by all but the silent ones, as many as a quorum needs."""
        quorum = -(-2 * len(self.validators) // 3)
        for _ in range(count):
            before = self.blocks[-1]
            who = proposer(list(self.validators), before["miner"], at_round)
            able = [k for a, k in self.validators.items() if a not in silent]
            turn = len(self.blocks) % len(able)
            signers = (able[turn:] + able[:turn])[:quorum]
            at = int(before["timestamp"], 16) + self.period + late
            self.blocks.append(
                make_block(
                    len(self.blocks),
                    before["hash"],
                    at,
                    who,
                    self.validators,
                    at_round=at_round,
                    signers=signers,
                )
            )


@dataclass
class Teller:
    """A validator that answers from a chain; `lie` changes what it says."""

    region: str
    index: int
    chain: Chain
    peers: int = 47
    chain_id: int = CHAIN_ID
    lie: object = None
    error: Exception | None = None
    delay_s: float = 0.0
    calls: int = 0

    async def ask(self, *calls):
        self.calls += 1
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if self.error is not None:
            raise self.error
        answers = [self._answer(method, params) for method, params in calls]
        return self.lie(answers) if self.lie is not None else answers

    def _answer(self, method, params):
        match method:
            case "eth_getBlockByNumber":
                number = self.chain.head if params[0] == "latest" else int(params[0], 16)
                return self.chain.blocks[number] if number <= self.chain.head else None
            case "eth_chainId":
                return hex(self.chain_id)
            case "net_peerCount":
                return hex(self.peers)
            case "web3_clientVersion":
                return f"besu/{self.region}-v{self.index}/v26.8.0/linux-x86_64/openjdk-java-25"
        return RpcError(method, -32601, "Method not found")

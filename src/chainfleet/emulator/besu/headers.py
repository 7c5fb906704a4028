"""Block headers as QBFT makes them: hashed without round and seals, sealed by a quorum on demand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chainfleet.model.besu import rlp
from chainfleet.model.besu.extra_data import ExtraData, Vote, encode_extra_data
from chainfleet.model.besu.hashing import keccak256

from .genesis import Genesis

Json = dict[str, Any]

EMPTY_ROOT = bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")
OMMERS = bytes.fromhex("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347")
MIX_HASH = bytes.fromhex("63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365")
NO_REQUESTS = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
VANITY = bytes(32)

Signer = Callable[[str, bytes], bytes]
"""(address, 32-byte hash) → 65-byte seal."""


@dataclass(frozen=True, slots=True)
class Content:
    """What transactions make of a block; equal for all empty blocks after the same state.

    Attributes:
        state_root: after the block.
        transactions_root: of its transactions.
        receipts_root: of their receipts.
        bloom: 256 bytes of log bloom.
        gas_used: by all transactions.
    """

    state_root: bytes
    transactions_root: bytes = EMPTY_ROOT
    receipts_root: bytes = EMPTY_ROOT
    bloom: bytes = bytes(256)
    gas_used: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """One block of the chain.

    Attributes:
        number: its height.
        hash: 32 bytes, as the chain knows it.
        parent: hash of the one before.
        timestamp: seconds since 1970.
        proposer: address that proposed it.
        round: round in which it was agreed.
        crew: validators that were up and connected then: the seals are some of theirs.
        validators: the validator set that agreed on it.
        content: what its transactions did.
        gas_limit: of the block.
        base_fee: in wei; None before London.
        vote: the proposer's vote.
    """

    number: int
    hash: bytes
    parent: bytes
    timestamp: int
    proposer: str
    round: int
    crew: tuple[str, ...]
    validators: tuple[str, ...]
    content: Content
    gas_limit: int
    base_fee: int | None
    vote: Vote | None = None


def header_items(genesis: Genesis, block: Block, extra: bytes) -> list[rlp.Item]:
    """The header's fields in order, with the extra data given."""
    content = block.content
    beneficiary = genesis.beneficiary or block.proposer
    items: list[rlp.Item] = [
        block.parent,
        OMMERS,
        bytes.fromhex(beneficiary[2:]),
        content.state_root,
        content.transactions_root,
        content.receipts_root,
        content.bloom,
        rlp.encode_integer(1),
        rlp.encode_integer(block.number),
        rlp.encode_integer(block.gas_limit),
        rlp.encode_integer(content.gas_used),
        rlp.encode_integer(block.timestamp),
        extra,
        MIX_HASH,
        bytes(8),
    ]
    if block.base_fee is not None:
        items.append(rlp.encode_integer(block.base_fee))
    shanghai, cancun, prague = genesis.time_forks
    if shanghai:
        items.append(EMPTY_ROOT)
    if cancun:
        items += [b"", b"", bytes(32)]
    if prague:
        items.append(NO_REQUESTS)
    return items


def hashed_extra(validators: Sequence[str], vote: Vote | None) -> bytes:
    """The extra data as the block hash sees it: round 0, no seals."""
    return encode_extra_data(ExtraData(tuple(validators), VANITY, vote, 0, ()))


def hash_block(genesis: Genesis, block: Block, extra: bytes) -> bytes:
    """The block's hash on the chain."""
    return keccak256(rlp.encode(header_items(genesis, block, extra)))


def sealed_extra(genesis: Genesis, block: Block, signers: Sequence[str], sign: Signer) -> bytes:
    """The extra data as nodes show it, with the committed seals of the signers.

    A seal signs the hash of the header with the round but without seals (BftBlockHashing).
    """
    bare = ExtraData(block.validators, VANITY, block.vote, block.round, ())
    digest = keccak256(rlp.encode(header_items(genesis, block, encode_extra_data(bare))))
    seals = tuple(sign(address, digest) for address in signers)
    return encode_extra_data(ExtraData(block.validators, VANITY, block.vote, block.round, seals))


def header_json(genesis: Genesis, block: Block, extra: bytes) -> Json:
    """The header as JSON-RPC shows it."""
    content = block.content
    found: Json = {
        "number": hex(block.number),
        "hash": "0x" + block.hash.hex(),
        "mixHash": "0x" + MIX_HASH.hex(),
        "parentHash": "0x" + block.parent.hex(),
        "nonce": "0x0000000000000000",
        "sha3Uncles": "0x" + OMMERS.hex(),
        "logsBloom": "0x" + content.bloom.hex(),
        "transactionsRoot": "0x" + content.transactions_root.hex(),
        "stateRoot": "0x" + content.state_root.hex(),
        "receiptsRoot": "0x" + content.receipts_root.hex(),
        "miner": genesis.beneficiary or block.proposer,
        "difficulty": "0x1",
        "extraData": "0x" + extra.hex(),
        "gasLimit": hex(block.gas_limit),
        "gasUsed": hex(content.gas_used),
        "timestamp": hex(block.timestamp),
    }
    if block.base_fee is not None:
        found["baseFeePerGas"] = hex(block.base_fee)
    shanghai, cancun, prague = genesis.time_forks
    if shanghai:
        found["withdrawalsRoot"] = "0x" + EMPTY_ROOT.hex()
    if cancun:
        found |= {"blobGasUsed": "0x0", "excessBlobGas": "0x0", "parentBeaconBlockRoot": "0x" + "0" * 64}
    if prague:
        found["requestsHash"] = "0x" + NO_REQUESTS.hex()
    return found


def genesis_header(genesis: Genesis) -> Block:
    """Block 0."""
    coinbase = {k.lower(): v for k, v in genesis.raw.items()}.get("coinbase", "0x" + "0" * 40)
    return Block(
        number=0,
        hash=bytes.fromhex(genesis.hash[2:]),
        parent=bytes(32),
        timestamp=genesis.timestamp,
        proposer=coinbase,
        round=0,
        crew=(),
        validators=genesis.validators,
        content=Content(bytes.fromhex(genesis.state_root[2:])),
        gas_limit=genesis.gas_limit,
        base_fee=genesis.base_fee,
    )

"""A block header as JSON-RPC shows it: its hash on the chain, and who sealed it.

The hash covers the extra data with round 0 and without seals; a committed seal signs the hash that keeps
the round (BftBlockHashing of Besu 26.8). So a header proves itself: nobody can show a quorum of seals for
a block that a quorum didn't agree on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from chainfleet.model.errors import InputError

from . import rlp
from .extra_data import Codec, ExtraData, decode_extra_data, encode_extra_data
from .hashing import keccak256
from .identity import address_of
from .text import hex_text, read_address, read_hex

_FIXED = (
    ("parentHash", False),
    ("sha3Uncles", False),
    ("miner", False),
    ("stateRoot", False),
    ("transactionsRoot", False),
    ("receiptsRoot", False),
    ("logsBloom", False),
    ("difficulty", True),
    ("number", True),
    ("gasLimit", True),
    ("gasUsed", True),
    ("timestamp", True),
    ("extraData", False),
    ("mixHash", False),
    ("nonce", False),
)
"""Fields of every header in the order they are hashed, and which of them are numbers."""
_LATER = (
    ("baseFeePerGas", True),
    ("withdrawalsRoot", False),
    ("blobGasUsed", True),
    ("excessBlobGas", True),
    ("parentBeaconBlockRoot", False),
    ("requestsHash", False),
)
"""Fields that forks added; a chain has the first few of them or all."""


@dataclass(frozen=True, slots=True)
class Header:
    """What consensus left in one block header.

    Attributes:
        number: height.
        hash: `0x…`, computed, not believed.
        parent: hash of the block before.
        timestamp: seconds since 1970.
        proposer: address of whoever proposed it (the miner).
        gas_used: by its transactions.
        gas_limit: of the block.
        extra: validators, round, vote and seals.
        seal_digest: what every committed seal signs.
    """

    number: int
    hash: str
    parent: str
    timestamp: int
    proposer: str
    gas_used: int
    gas_limit: int
    extra: ExtraData
    seal_digest: bytes

    def signers(self) -> frozenset[str]:
        """Recover the addresses whose seals it carries (some 60 µs each); a seal that is none is left out."""
        found = (_signer(seal, self.seal_digest) for seal in self.extra.seals)
        return frozenset(address for address in found if address is not None)


def read_header(block: Mapping[str, Any], codec: Codec = Codec.QBFT) -> Header:
    """Return what a block's header says and proves.

    Args:
        block: the block as `eth_getBlockByNumber` answers it.
        codec: consensus protocol of the chain.

    Raises:
        InputError: a field is missing or malformed, or the hash told isn't the header's.
    """
    number = _number(block, "number")
    extra = decode_extra_data(read_hex(str(block.get("extraData")), "extraData"), codec)
    # Block 0 is hashed as it is written; it has neither round nor seals.
    hashed = hex_text(keccak256(_encoded(block, replace(extra, round=0, seals=()), codec)))
    if str(block.get("hash")).lower() != hashed:
        raise InputError(
            f"block {number}: its hash is {hashed}, not {block.get('hash')}",
            way_out="ask another node: this one's block is not what its hash says, or its chain is no QBFT or IBFT 2.0",
        )
    return Header(
        number=number,
        hash=hashed,
        parent=str(block["parentHash"]).lower(),
        timestamp=_number(block, "timestamp"),
        proposer=read_address(str(block.get("miner")), "miner"),
        gas_used=_number(block, "gasUsed"),
        gas_limit=_number(block, "gasLimit"),
        extra=extra,
        seal_digest=keccak256(_encoded(block, replace(extra, seals=()), codec)),
    )


def _encoded(block: Mapping[str, Any], extra: ExtraData, codec: Codec) -> bytes:
    changed = {**block, "extraData": hex_text(encode_extra_data(extra, codec))}
    fields = (*_FIXED, *(field for field in _LATER if block.get(field[0]) is not None))
    items: list[rlp.Item] = [
        rlp.encode_integer(_number(changed, name)) if number else read_hex(str(changed.get(name)), name)
        for name, number in fields
    ]
    return rlp.encode(items)


def _number(block: Mapping[str, Any], name: str) -> int:
    value = block.get(name)
    try:
        if isinstance(value, str) and value.startswith("0x"):
            return int(value, 16)
    except ValueError:
        pass
    raise InputError(
        f"block header: {name} is {value!r}, not a hexadecimal number",
        way_out="take the block as eth_getBlockByNumber gives it",
    )


def _signer(seal: bytes, digest: bytes) -> str | None:
    from coincurve import PublicKey

    try:
        key = PublicKey.from_signature_and_message(seal, digest, hasher=None)
    except Exception:  # the library raises ValueError or a bare Exception by what is wrong
        return None
    return address_of(key.format(compressed=False)[1:])

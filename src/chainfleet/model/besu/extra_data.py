"""The `extraData` of QBFT and IBFT 2.0 blocks: who validates, what is voted, which round sealed it.

One wrong byte here and a network never produces a block, so the decoder is strict: it accepts exactly
what the encoder writes.

    RLP([vanity 32 bytes, [address 20 bytes, …], vote, round, [seal 65 bytes, …]])

    QBFT   no vote is an empty list; a vote [address, 0xff] adds and [address, ""] drops;
           the round is a scalar without leading zeros
    IBFT   no vote is an empty string; a vote [address, 0xff] adds and [address, 0x00] drops;
           the round is 4 bytes, always

Source: QbftExtraDataCodec and IbftExtraDataCodec of Besu 26.8.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from chainfleet.model.errors import InputError

from . import rlp
from .text import hex_text, read_address, read_hex

VANITY_BYTES = 32
SEAL_BYTES = 65
MAX_ROUND = 2**31 - 1
"""Besu keeps the round in a Java `int`."""


class ExtraDataError(InputError):
    """The extra data can't be encoded or decoded."""


class Codec(StrEnum):
    """Which consensus protocol the extra data belongs to."""

    QBFT = "QBFT"
    IBFT = "IBFT"

    @classmethod
    def of(cls, consensus: str) -> Codec:
        """Return the codec of a fleet's `consensus`, or of Besu's type names (QBFT, IBFT, IBFT2)."""
        known = {"qbft": cls.QBFT, "ibft": cls.IBFT, "ibft2": cls.IBFT}
        if consensus.lower() not in known:
            raise ExtraDataError(f"unknown type {consensus!r} of extra data", way_out="use QBFT or IBFT")
        return known[consensus.lower()]


@dataclass(frozen=True, slots=True)
class Vote:
    """A validator's vote on the set of validators.

    Attributes:
        recipient: address of whom it is about, `0x` and 40 lower-case hex digits.
        add: True admits the recipient, False drops it.
    """

    recipient: str
    add: bool


@dataclass(frozen=True, slots=True)
class ExtraData:
    """What a block's extra data says.

    Attributes:
        validators: addresses in the order written; every header after genesis has them ascending.
        vanity: 32 free bytes.
        vote: the proposer's vote, if it casts one.
        round: round that sealed the block, 0 where the first proposer succeeded.
        seals: committed seals, 65 bytes each (r, s, v).
    """

    validators: tuple[str, ...]
    vanity: bytes = bytes(VANITY_BYTES)
    vote: Vote | None = None
    round: int = 0
    seals: tuple[bytes, ...] = ()


def encode_extra_data(extra: ExtraData, codec: Codec = Codec.QBFT) -> bytes:
    """Return the bytes of the extra data; validators keep the order given.

    Raises:
        ExtraDataError: a part has the wrong size, an address comes twice or the round is out of range.
    """
    _check(extra)
    validators: list[rlp.Item] = [bytes.fromhex(address[2:]) for address in extra.validators]
    items: list[rlp.Item] = [extra.vanity, validators, _write_vote(extra.vote, codec)]
    items += [_write_round(extra.round, codec), list(extra.seals)]
    return rlp.encode(items)


def decode_extra_data(data: bytes, codec: Codec = Codec.QBFT) -> ExtraData:
    """Return what the bytes say.

    Raises:
        ExtraDataError: they are not exactly what `encode_extra_data` would have written.
    """
    try:
        items = rlp.decode(data)
    except rlp.RlpError as error:
        raise ExtraDataError(f"the extra data is not canonical RLP: {error.message}") from error
    parts = _list(items, "the extra data")
    if len(parts) != 5:
        raise ExtraDataError(f"the extra data has {len(parts)} parts, not 5")
    extra = ExtraData(
        vanity=_bytes(parts[0], "vanity", VANITY_BYTES),
        validators=tuple(hex_text(_bytes(a, "a validator", 20)) for a in _list(parts[1], "validators")),
        vote=_read_vote(parts[2], codec),
        round=_read_round(_bytes(parts[3], "the round"), codec),
        seals=tuple(_bytes(seal, "a seal", SEAL_BYTES) for seal in _list(parts[4], "seals")),
    )
    _check(extra)
    return extra


def extra_data_from_json(value: object) -> ExtraData:
    """Return the extra data that a JSON object `{vanity, validators, vote, round, seals}` describes.

    All keys but `validators` may be left out; a bare list is taken for the validators, as Besu's
    own `rlp encode` takes it.
    """
    if isinstance(value, list):
        value = {"validators": value}
    if not isinstance(value, Mapping):
        raise ExtraDataError("extra data is described by a JSON object with `validators`")
    unknown = sorted(set(value) - {"vanity", "validators", "vote", "round", "seals"})
    if unknown:
        raise ExtraDataError(f"unknown key {unknown[0]!r}", way_out="vanity, validators, vote, round, seals")
    if not isinstance(value.get("validators"), list):
        raise ExtraDataError("`validators` must be a list of addresses")
    number = value.get("round", 0)
    if not isinstance(number, int) or isinstance(number, bool):
        raise ExtraDataError(f"`round` must be a whole number, not {number!r}")
    vanity = value.get("vanity")
    extra = ExtraData(
        validators=tuple(read_address(a, "validators") for a in value["validators"]),
        vanity=bytes(VANITY_BYTES) if vanity is None else read_hex(vanity, "vanity"),
        vote=_vote_from_json(value.get("vote")),
        round=number,
        seals=tuple(read_hex(seal, "seals") for seal in value.get("seals") or ()),
    )
    _check(extra)
    return extra


def extra_data_to_json(extra: ExtraData) -> dict[str, Any]:
    """Return the JSON object that `extra_data_from_json` reads."""
    return {
        "vanity": hex_text(extra.vanity),
        "validators": list(extra.validators),
        "vote": None if extra.vote is None else {"recipient": extra.vote.recipient, "add": extra.vote.add},
        "round": extra.round,
        "seals": [hex_text(seal) for seal in extra.seals],
    }


def genesis_extra_data(validators: Sequence[str], codec: Codec = Codec.QBFT) -> bytes:
    """Return the extra data of a genesis block: validators ascending, no vote, round 0, no seals.

    Raises:
        ExtraDataError: an address comes twice.
    """
    ordered = sorted(read_address(address, "validators") for address in validators)
    return encode_extra_data(ExtraData(validators=tuple(ordered)), codec)


def _check(extra: ExtraData) -> None:
    if len(extra.vanity) != VANITY_BYTES:
        raise ExtraDataError(f"vanity has {len(extra.vanity)} bytes, not {VANITY_BYTES}")
    if not 0 <= extra.round <= MAX_ROUND:
        raise ExtraDataError(f"round {extra.round} is not between 0 and {MAX_ROUND}")
    seen: set[str] = set()
    for address in extra.validators:
        if read_address(address, "validators") in seen:
            raise ExtraDataError(f"validator {address} comes twice")
        seen.add(address)
    for seal in extra.seals:
        if len(seal) != SEAL_BYTES:
            raise ExtraDataError(f"a seal has {len(seal)} bytes, not {SEAL_BYTES}")


def _write_vote(vote: Vote | None, codec: Codec) -> rlp.Item:
    if vote is None:
        return [] if codec is Codec.QBFT else b""
    return [bytes.fromhex(read_address(vote.recipient, "vote")[2:]), _vote_byte(vote.add, codec)]


def _vote_byte(add: bool, codec: Codec) -> bytes:  # noqa: FBT001 - the wire format is a flag
    if add:
        return b"\xff"
    return b"" if codec is Codec.QBFT else b"\x00"


def _read_vote(item: rlp.Item, codec: Codec) -> Vote | None:
    if item == ([] if codec is Codec.QBFT else b""):
        return None
    parts = _list(item, "the vote")
    if len(parts) != 2:
        raise ExtraDataError(f"the vote has {len(parts)} parts, not 2")
    recipient = hex_text(_bytes(parts[0], "the vote's recipient", 20))
    for add in (True, False):
        if parts[1] == _vote_byte(add, codec):
            return Vote(recipient, add)
    raise ExtraDataError("the vote neither adds nor drops its recipient")


def _vote_from_json(value: object) -> Vote | None:
    if value is None:
        return None
    if (
        not isinstance(value, Mapping)
        or set(value) != {"recipient", "add"}
        or value["add"] not in (True, False)
    ):
        raise ExtraDataError('a vote is an object {"recipient": ADDRESS, "add": true|false}')
    return Vote(read_address(value["recipient"], "vote"), bool(value["add"]))


def _write_round(number: int, codec: Codec) -> bytes:
    return rlp.encode_integer(number) if codec is Codec.QBFT else number.to_bytes(4, "big")


def _read_round(data: bytes, codec: Codec) -> int:
    if codec is Codec.IBFT:
        if len(data) != 4:
            raise ExtraDataError(f"the round of an IBFT block has {len(data)} bytes, not 4")
        return int.from_bytes(data, "big")
    try:
        return rlp.decode_integer(data)
    except rlp.RlpError as error:
        raise ExtraDataError("the round begins with a zero byte") from error


def _list(item: rlp.Item, what: str) -> Sequence[rlp.Item]:
    if isinstance(item, bytes):
        raise ExtraDataError(f"{what} must be a list, not bytes")
    return item


def _bytes(item: rlp.Item, what: str, size: int | None = None) -> bytes:
    if not isinstance(item, bytes):
        raise ExtraDataError(f"{what} must be bytes, not a list")
    if size is not None and len(item) != size:
        raise ExtraDataError(f"{what} has {len(item)} bytes, not {size}")
    return item

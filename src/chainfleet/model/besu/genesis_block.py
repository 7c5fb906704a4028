"""Hash and state root of the genesis block that Besu makes from a genesis file.

The hash is the network's identity: every node must report it before anything counts it.
Source: GenesisState and GenesisConfig of Besu 26.8; the tests reproduce the hashes of its GenesisStateTest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chainfleet.model.errors import InputError

from . import rlp
from .hashing import EMPTY_REQUESTS_HASH, keccak256
from .text import hex_text, read_address, read_hex
from .trie import EMPTY_ROOT, secure_root

_EMPTY_LIST_HASH = bytes.fromhex("1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347")
_DEFAULT_BASE_FEE = 10**9
"""Base fee of block 0 where `londonBlock` is 0 and the file names none, in wei (EIP-1559)."""
_TIME_FORKS = ("shanghaitime", "cancuntime", "praguetime", "osakatime")
_UNSUPPORTED_FORKS = ("amsterdamtime", "futureeipstime", "experimentaleipstime", "cancuneoftime")


class GenesisError(InputError):
    """The genesis file can't be turned into a block."""


@dataclass(frozen=True, slots=True)
class GenesisBlock:
    """What identifies a genesis block.

    Attributes:
        hash: block hash, `0x` and 64 hex digits.
        state_root: root of the accounts, likewise.
    """

    hash: str
    state_root: str


def genesis_block(genesis: Mapping[str, Any]) -> GenesisBlock:
    """Return hash and state root of the block 0 that Besu makes from a genesis file.

    Args:
        genesis: the parsed JSON; keys in any case, as Besu reads them.

    Raises:
        GenesisError: a field is missing or malformed, or a fork active at genesis is not known here.
    """
    fields = {str(key).lower(): value for key, value in genesis.items()}
    config = {str(key).lower(): value for key, value in _mapping(fields.get("config", {}), "config").items()}
    state_root = secure_root(_accounts(_mapping(fields.get("alloc", {}), "alloc")))
    header = _header(fields, config, state_root)
    return GenesisBlock(hex_text(keccak256(rlp.encode(header))), hex_text(state_root))


def _header(fields: Mapping[str, Any], config: Mapping[str, Any], state_root: bytes) -> list[rlp.Item]:
    for name in ("difficulty", "gaslimit"):
        if name not in fields and not (name == "gaslimit" and "gastarget" in fields):
            raise GenesisError(f"the genesis has no {name}")
    scalars = (
        _quantity(fields["difficulty"], "difficulty"),
        0,
        _quantity(fields.get("gaslimit", fields.get("gastarget")), "gasLimit"),
        0,
        _quantity(fields.get("timestamp", 0), "timestamp"),
    )
    coinbase = bytes.fromhex(read_address(fields.get("coinbase", "0x" + "0" * 40), "coinbase")[2:])
    header: list[rlp.Item] = [_word(fields.get("parenthash", "0x"), "parentHash"), _EMPTY_LIST_HASH]
    header += [coinbase, state_root, EMPTY_ROOT, EMPTY_ROOT, bytes(256)]
    header += [rlp.encode_integer(value) for value in scalars]
    header += [read_hex(fields.get("extradata") or "0x", "extraData")]
    header += [_word(fields.get("mixhash", "0x"), "mixHash")]
    nonce = _quantity(fields.get("nonce", "0x0"), "nonce", base=16)
    if nonce >= 2**64:
        raise GenesisError("nonce is above 2^64")
    header += [nonce.to_bytes(8, "big")]
    return header + _fork_fields(fields, config, scalars[4])


def _fork_fields(fields: Mapping[str, Any], config: Mapping[str, Any], timestamp: int) -> list[rlp.Item]:
    for name in _UNSUPPORTED_FORKS:
        if config.get(name) is not None and _quantity(config[name], name) <= timestamp:
            raise GenesisError(f"{name} is active at genesis: its block header is not known here")
    base_fee = _base_fee(fields, config)
    active = [_active(config, index, timestamp) for index in range(3)]
    if base_fee is None and any(active):
        raise GenesisError(
            "a time fork is active at genesis without londonBlock: 0", way_out="add londonBlock: 0"
        )
    more: list[rlp.Item] = [] if base_fee is None else [rlp.encode_integer(base_fee)]
    shanghai, cancun, prague = active
    if shanghai:
        more.append(EMPTY_ROOT)
    if cancun:
        blobs = (
            _quantity(fields.get(name, "0x0"), name, base=16) for name in ("blobgasused", "excessblobgas")
        )
        more.extend(rlp.encode_integer(value) for value in blobs)
        more.append(_word(fields.get("parentbeaconblockroot", "0x"), "parentBeaconBlockRoot"))
    if prague:
        more.append(EMPTY_REQUESTS_HASH)
    return more


def _active(config: Mapping[str, Any], index: int, timestamp: int) -> bool:
    # Besu asks for the fork itself and, where the file doesn't name it, for the next later one it names.
    for name in _TIME_FORKS[index:]:
        if config.get(name) is not None:
            return _quantity(config[name], name) <= timestamp
    return False


def _base_fee(fields: Mapping[str, Any], config: Mapping[str, Any]) -> int | None:
    if fields.get("basefeepergas") is not None:
        return _quantity(fields["basefeepergas"], "baseFeePerGas")
    london = config.get("londonblock")
    return _DEFAULT_BASE_FEE if london is not None and _quantity(london, "londonBlock") == 0 else None


def _accounts(alloc: Mapping[str, Any]) -> dict[bytes, bytes]:
    accounts: dict[bytes, bytes] = {}
    for key, value in alloc.items():
        address = bytes.fromhex(read_address(key, "alloc")[2:])
        if address in accounts:
            raise GenesisError(f"alloc: {hex_text(address)} comes twice")
        accounts[address] = _account(_mapping(value, f"alloc.{key}"), key)
    return accounts


def _account(account: Mapping[str, Any], address: str) -> bytes:
    place = f"alloc.{address}"
    balance = _quantity(account.get("balance", 0), f"{place}.balance")
    if balance >= 2**256:
        raise GenesisError(f"{place}.balance is above 2^256")
    code = read_hex(account.get("code") or "0x", f"{place}.code")
    storage = _mapping(account.get("storage") or {}, f"{place}.storage")
    words = {_word(key, place): _word(value, place).lstrip(b"\x00") for key, value in storage.items()}
    root = secure_root({key: rlp.encode(value) for key, value in words.items() if value})
    nonce = _quantity(account.get("nonce", 0), f"{place}.nonce", base=16)
    return rlp.encode([rlp.encode_integer(nonce), rlp.encode_integer(balance), root, keccak256(code)])


def _quantity(value: object, place: str, base: int = 10) -> int:
    """Read a number: JSON number, `0x` hex, or digits in the base that Besu reads that field in."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    try:
        if isinstance(value, str) and value.isascii() and value.strip() == value and "_" not in value:
            number = int(value[2:], 16) if value[:2].lower() == "0x" else int(value, base)
            if number >= 0 and not value.startswith("+"):
                return number
    except ValueError:
        pass
    raise GenesisError(f"{place}: {value!r} is not a number")


def _word(value: object, place: str) -> bytes:
    """Read up to 32 bytes of hex, padded on the left; an odd number of digits is allowed."""
    text = str(value)
    digits = text[2:] if text[:2].lower() == "0x" else text
    data = read_hex(digits.zfill(len(digits) + len(digits) % 2), place)
    if len(data) > 32:
        raise GenesisError(f"{place}: {len(data)} bytes are more than a word of 32")
    return data.rjust(32, b"\x00")


def _mapping(value: object, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise GenesisError(f"{place} must be a JSON object")
    return value

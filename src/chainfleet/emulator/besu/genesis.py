"""A genesis file as a node sees it: its hash, its first validators, its consensus settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chainfleet.model.besu.extra_data import Codec, decode_extra_data
from chainfleet.model.besu.genesis_block import genesis_block
from chainfleet.model.besu.text import read_hex
from chainfleet.model.errors import InputError

from .options import StartError

Json = dict[str, Any]

_FORKS = (
    ("osakatime", "osaka"),
    ("praguetime", "prague"),
    ("cancuntime", "cancun"),
    ("shanghaitime", "shanghai"),
)
_BLOCK_FORKS = (("londonblock", "london"), ("berlinblock", "berlin"), ("istanbulblock", "istanbul"))
DEFAULT_PERIOD_S = 1
DEFAULT_TIMEOUT_S = 1
DEFAULT_EPOCH = 30000


@dataclass(frozen=True, slots=True)
class Genesis:
    """What a network agrees on from the start.

    Attributes:
        hash: hash of block 0 as Besu computes it.
        state_root: root of the accounts.
        chain_id: EIP-155 id.
        validators: addresses, ascending, as block 0 lists them.
        period_s: least time between blocks in seconds.
        timeout_s: duration of round 0 in seconds; round r lasts that times 2^r.
        epoch: blocks after which votes are forgotten.
        timestamp: of block 0.
        gas_limit: of block 0.
        base_fee: of block 0 in wei; None before London.
        zero_base_fee: whether every block's base fee is 0.
        fork: the newest fork that is active from the start, as anvil names it.
        extra_data: of block 0.
        beneficiary: who gets fees; "" is the proposer.
        code_size_limit: in bytes; 0 is the default.
        alloc: accounts of block 0.
        raw: the file.
    """

    hash: str
    state_root: str
    chain_id: int
    validators: tuple[str, ...]
    period_s: int
    timeout_s: int
    epoch: int
    timestamp: int
    gas_limit: int
    base_fee: int | None
    zero_base_fee: bool
    fork: str
    extra_data: bytes
    beneficiary: str
    code_size_limit: int
    alloc: Mapping[str, Any]
    raw: Json

    @property
    def time_forks(self) -> tuple[bool, bool, bool]:
        """Whether Shanghai, Cancun and Prague are active from the start."""
        order = ["london", "shanghai", "cancun", "prague", "osaka"]
        rank = order.index(self.fork) if self.fork in order else -1
        return rank >= 1, rank >= 2, rank >= 3


def _lower(value: Any) -> Json:
    return {str(k).lower(): v for k, v in value.items()} if isinstance(value, dict) else {}


def _number(value: Any) -> int:
    return int(value, 0) if isinstance(value, str) else int(value)


def read_genesis(text: bytes | None, path: str) -> Genesis:
    """Read a genesis file as Besu does.

    Raises:
        StartError: it's missing or can't be turned into a block.
    """
    if text is None:
        raise StartError(f"Unable to load genesis file. {path} (No such file or directory)")
    try:
        raw = json.loads(text)
        fields = _lower(raw)
        config = _lower(fields.get("config", {}))
        block = genesis_block(raw)
        return _read(raw, fields, config, block.hash, block.state_root)
    except InputError as problem:
        raise StartError(f"Unable to load genesis file {path}. {problem.message}") from None
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise StartError(f"Unable to load genesis file {path}. {problem}") from None


def _read(raw: Json, fields: Json, config: Json, block_hash: str, state_root: str) -> Genesis:
    bft = _lower(config.get("qbft") or config.get("ibft2") or {})
    if "qbft" not in config:
        raise StartError("No consensus mechanism that is emulated is configured in genesis: only qbft is")
    extra = read_hex(fields.get("extradata") or "0x", "extraData")
    validators = tuple(sorted(decode_extra_data(extra, Codec.QBFT).validators)) if extra else ()
    for name in ("blockperiodseconds", "requesttimeoutseconds", "epochlength"):
        if name in bft and (isinstance(bft[name], bool) or not isinstance(bft[name], int)):
            raise StartError(f"Expected number value but got a string or boolean for {name}")
    zero = bool(config.get("zerobasefee"))
    base_fee = fields.get("basefeepergas")
    fee = _number(base_fee) if base_fee is not None else (10**9 if config.get("londonblock") == 0 else None)
    timestamp = _number(fields.get("timestamp", 0))
    return Genesis(
        hash=block_hash,
        state_root=state_root,
        chain_id=_number(config.get("chainid", 1)),
        validators=validators,
        period_s=int(bft.get("blockperiodseconds", DEFAULT_PERIOD_S)),
        timeout_s=int(bft.get("requesttimeoutseconds", DEFAULT_TIMEOUT_S)),
        epoch=int(bft.get("epochlength", DEFAULT_EPOCH)),
        timestamp=timestamp,
        gas_limit=_number(fields.get("gaslimit", fields.get("gastarget", 0))),
        base_fee=fee,
        zero_base_fee=zero,
        fork=_fork(config, timestamp),
        extra_data=extra,
        beneficiary=str(bft.get("miningbeneficiary", "")),
        code_size_limit=int(config.get("contractsizelimit", 0)),
        alloc=fields.get("alloc", {}),
        raw=raw,
    )


def _fork(config: Json, timestamp: int) -> str:
    for name, fork in _FORKS:
        if config.get(name) is not None and _number(config[name]) <= timestamp:
            return fork
    for name, fork in _BLOCK_FORKS:
        if config.get(name) == 0:
            return fork
    return "istanbul"

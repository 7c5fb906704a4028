"""The genesis file of a fleet: every field that matters, sized to its number of validators."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chainfleet.model.besu.extra_data import Codec, genesis_extra_data
from chainfleet.model.besu.genesis_keys import empty_period_key, genesis_key_problems
from chainfleet.model.besu.options import read_version
from chainfleet.model.besu.quorum import MINIMUM_VALIDATORS
from chainfleet.model.besu.text import hex_text
from chainfleet.model.errors import InputError
from chainfleet.model.fleet import Fleet

MIX_HASH = "0x63746963616c2062797a616e74696e65206661756c7420746f6c6572616e6365"
"""Spells "ctical byzantine fault tolerance"; every BFT block must carry it."""
_BLOCK_FORKS = (
    "homesteadBlock",
    "eip150Block",
    "eip158Block",
    "byzantiumBlock",
    "constantinopleBlock",
    "petersburgBlock",
    "istanbulBlock",
    "muirGlacierBlock",
    "berlinBlock",
    "londonBlock",
)
_TIME_FORKS = (("shanghai", "shanghaiTime"), ("cancun", "cancunTime"), ("prague", "pragueTime"))
_SECTIONS = {"qbft": "qbft", "ibft2": "ibft2"}
_EACH_NODES_OWN = frozenset(
    {
        "requesttimeoutseconds",
        "emptyblockperiodseconds",
        "xemptyblockperiodseconds",
        "messageQueueLimit",
        "duplicateMessageLimit",
        "gossipedHistoryLimit",
        "futureMessagesLimit",
    }
)
"""What a node may read anew at a restart: it paces that node, and no block is judged by it. A longer
`blockperiodseconds` makes old blocks invalid to whoever syncs, another `epochlength` shifts the votes."""


def build_genesis(fleet: Fleet, validators: Sequence[str]) -> dict[str, Any]:
    """Return the genesis of a fleet.

    Args:
        fleet: what the chain shall be like.
        validators: their addresses, in any order.

    Raises:
        InputError: fewer than 4 validators, an address twice, or a field Besu would ignore.
    """
    if len(validators) < MINIMUM_VALIDATORS:
        message = f"{len(validators)} validators can't bear a single fault"
        raise InputError(message, way_out=f"declare at least {MINIMUM_VALIDATORS}")
    network = fleet.network
    genesis: dict[str, Any] = {
        "config": _config(fleet, len(validators)),
        "nonce": "0x0",
        "timestamp": "0x0",
        "gasLimit": hex(network.gas_limit),
        "difficulty": "0x1",
        "mixHash": MIX_HASH,
        "coinbase": "0x" + "0" * 40,
        "extraData": hex_text(genesis_extra_data(validators, Codec.of(network.consensus))),
    }
    if network.zero_base_fee:
        # Otherwise block 0 alone would have a base fee of 1 gwei.
        genesis["baseFeePerGas"] = "0x0"
    genesis["alloc"] = _allocations(fleet)
    problems = genesis_key_problems(genesis, read_version(network.besu_version))
    if problems:
        raise InputError(
            f"the genesis would be wrong: {problems[0]}",
            way_out="change the fleet's `network`; `chainfleet check FLEET` tells all that is wrong",
        )
    return genesis


def genesis_text(genesis: Mapping[str, Any]) -> str:
    """Return the genesis as it is written everywhere: the same bytes for the same genesis."""
    return json.dumps(genesis, indent=2) + "\n"


def changed_rules(before: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Return what differs between two `config` sections that a chain with blocks can't change, e.g. `chainId 1 → 2`."""
    first, second = dict(_rules(before)), dict(_rules(wanted))
    places = [place for place in {**first, **second} if first.get(place) != second.get(place)]
    return [f"{place} {first.get(place, 'unset')} → {second.get(place, 'unset')}" for place in places]


def _rules(config: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _rules(value, f"{place}{key}.")
        elif key not in _EACH_NODES_OWN:
            yield place + key, value


def queue_limits(validators: int) -> dict[str, int]:
    """Return the message limits for N validators; Besu's own are sized for 20.

    Every message is gossiped again to everybody, so about 2N² arrive per block; unique ones are about
    3N. The limits leave twice to seven times that and never fall below Besu's defaults. They are each
    node's own and not part of the block hash. Derived in docs, not measured at N = 48.
    """
    return {
        "messageQueueLimit": max(1000, _round_up(4 * validators**2, 1000)),
        "duplicateMessageLimit": max(100, _round_up(20 * validators, 100)),
        "gossipedHistoryLimit": max(1000, _round_up(100 * validators, 1000)),
        "futureMessagesLimit": max(1000, _round_up(100 * validators, 1000)),
    }


def _config(fleet: Fleet, validators: int) -> dict[str, Any]:
    network = fleet.network
    config: dict[str, Any] = {"chainId": network.chain_id}
    config |= dict.fromkeys(_BLOCK_FORKS, 0)
    reached = [name for name, _ in _TIME_FORKS]
    if network.forks in reached:
        config |= {key: 0 for name, key in _TIME_FORKS if reached.index(name) <= reached.index(network.forks)}
    if network.zero_base_fee:
        config["zeroBaseFee"] = True
    config[_SECTIONS[network.consensus]] = _consensus(fleet, validators)
    return config


def _consensus(fleet: Fleet, validators: int) -> dict[str, Any]:
    network = fleet.network
    section: dict[str, Any] = {
        "blockperiodseconds": network.block_period_seconds,
        "requesttimeoutseconds": network.request_timeout_seconds,
        "epochlength": network.epoch_length,
    }
    if network.empty_block_period_seconds:
        section[empty_period_key(read_version(network.besu_version))] = network.empty_block_period_seconds
    return section | queue_limits(validators)


def _allocations(fleet: Fleet) -> dict[str, Any]:
    accounts: dict[str, Any] = {}
    for allocation in fleet.network.allocations:
        address = allocation.address.lower()
        if address in accounts:
            raise InputError(
                f"network.allocations: {allocation.address} comes twice",
                way_out="keep one of them, with the sum",
            )
        accounts[address] = {"balance": hex(allocation.balance_wei)}
    return accounts


def _round_up(value: int, step: int) -> int:
    return -(-value // step) * step

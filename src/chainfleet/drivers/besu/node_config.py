"""A validator's `config.toml`, checked against the options that its Besu version knows."""

from __future__ import annotations

import json
from ipaddress import ip_address

from chainfleet.model.besu.options import ADDED_IN, option_problem, read_version, rpc_api_problem
from chainfleet.model.errors import InputError
from chainfleet.model.fleet import Fleet

Value = str | int | float | bool | list[str]

GENESIS_FILE = "/etc/besu/genesis/genesis.json"
PEERS_FILE = "/etc/besu/peers/static-nodes.json"
CONFIG_FILE = "/etc/besu/config/config.toml"
KEY_FILE = "/secrets/nodekey"
DATA_PATH = "/data/besu"
UNALLOCATED = "UNALLOCATED"
"""How a placeholder begins that stands for an address which isn't allocated yet."""


def node_options(fleet: Fleet, *, identity: str, p2p_host: str) -> dict[str, Value]:
    """Return the options of one validator.

    Args:
        fleet: what the network shall be like.
        identity: name it shows to peers, e.g. `northeurope-v0`.
        p2p_host: IP literal that peers dial (a name stops Besu from starting), or a placeholder.

    Raises:
        InputError: the address is none, or this Besu version doesn't know an option or an RPC API.
    """
    network = fleet.network
    _check_host(p2p_host, identity)
    options: dict[str, Value] = {
        "genesis-file": GENESIS_FILE,
        "data-path": DATA_PATH,
        "node-private-key-file": KEY_FILE,
        "identity": identity,
        "logging": "INFO",
        "sync-mode": "FULL",
        "data-storage-format": network.storage_format,
        "version-compatibility-protection": True,
        **_p2p(fleet, p2p_host),
        **_rpc(fleet),
        "metrics-enabled": True,
        "metrics-host": "0.0.0.0",  # noqa: S104 - inside the pod; NetworkPolicies close it
        "metrics-port": network.metrics_port,
        "tx-pool": "SEQUENCED",
        "tx-pool-no-local-priority": True,
        "tx-pool-limit-by-account-percentage": 0.15,
        "poa-block-txs-selection-max-time": 50,
    }
    version = read_version(network.besu_version)
    if version >= ADDED_IN["logging-format"]:
        options["logging-format"] = "LOGSTASH"
    if network.zero_base_fee:
        # Without it, transactions of price zero are silently dropped. tx-pool-price-bump must stay unset.
        options["min-gas-price"] = 0
    problems = [p for name in options if (p := option_problem(name, version))]
    problems += [p for name in network.rpc_apis if (p := rpc_api_problem(name, version))]
    if problems:
        raise InputError(
            f"Besu {network.besu_version} would not start: {problems[0]}",
            way_out="change the fleet's `network`; `chainfleet check FLEET` tells all that is wrong",
        )
    return options


def toml_text(options: dict[str, Value]) -> str:
    """Return the options as TOML, one per line."""
    return "".join(f"{name}={_toml(value)}\n" for name, value in options.items())


def placeholder(region: str, index: int) -> str:
    """Return what stands for a validator's address while it isn't allocated."""
    return f"{UNALLOCATED}-{region}-{index}"


def _p2p(fleet: Fleet, host: str) -> dict[str, Value]:
    network = fleet.network
    return {
        "p2p-host": host,
        "p2p-port": network.p2p_port,
        "p2p-interface": "0.0.0.0",  # noqa: S104 - inside the pod; NetworkPolicies close it
        "nat-method": "NONE",
        "discovery-enabled": network.discovery,
        "static-nodes-file": PEERS_FILE,
        # Static peers are exempt from the limit, but a peer that dials in counts.
        "max-peers": max(25, fleet.validator_count + 16),
        "remote-connections-limit-enabled": False,
    }


def _rpc(fleet: Fleet) -> dict[str, Value]:
    network = fleet.network
    return {
        "rpc-http-enabled": True,
        "rpc-http-host": "0.0.0.0",  # noqa: S104 - inside the pod; NetworkPolicies close it
        "rpc-http-port": network.rpc_port,
        "rpc-http-api": list(network.rpc_apis),
        # Kubelet and Prometheus send the pod's address as Host: anything narrower answers them 403.
        "host-allowlist": ["*"],
        "rpc-http-cors-origins": ["none"],
    }


def _check_host(host: str, identity: str) -> None:
    if host.startswith(UNALLOCATED):
        return
    try:
        ip_address(host)
    except ValueError:
        raise InputError(
            f"{identity}: p2p-host {host!r} is no IP address; Besu would not start",
            way_out="give an address, not a name",
        ) from None


def _toml(value: Value) -> str:
    # JSON's strings, numbers, booleans and lists of strings are TOML's too.
    return json.dumps(value)

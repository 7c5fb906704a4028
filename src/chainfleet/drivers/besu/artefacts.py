"""What the network's tasks leave in the workspace, and what a region's objects are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chainfleet.drivers.driver import Attempt
from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.fleet import Fleet, Region

from .files import read_text
from .keys import KeyStore, Validator
from .manifests import Artefacts
from .peers import declared_addresses

if TYPE_CHECKING:
    from .vault import Vault


def genesis_path(workspace: Path) -> Path:
    """Where the network's genesis lies."""
    return workspace / "besu" / "genesis.json"


def static_nodes_path(workspace: Path) -> Path:
    """Where the peer list lies."""
    return workspace / "besu" / "static-nodes.json"


def outputs_or_none(attempt: Attempt, task_id: str) -> Mapping[str, Any] | None:
    """Return the outputs of a task, or None if it has none."""
    try:
        return attempt.outputs(task_id)
    except KeyError:
        return None


def required_outputs(attempt: Attempt, task_id: str) -> Mapping[str, Any]:
    """Return the outputs of a task that must have finished before."""
    found = outputs_or_none(attempt, task_id)
    if found is None:
        message = f"task {task_id} has left nothing, {attempt.task.id} needs it"
        raise TaskFailed(ErrorClass.CONFIGURATION, message, way_out=f"run {task_id} first")
    return found


def validators(attempt: Attempt) -> tuple[Validator, ...]:
    """Return the validators of the network, as task `besu/keys/network` left them."""
    rows = required_outputs(attempt, "besu/keys/network")["validators"]
    return tuple(Validator(row["region"], row["index"], row["address"], row["public_key"]) for row in rows)


def allocated_addresses(fleet: Fleet, attempt: Attempt) -> dict[str, tuple[str, ...]]:
    """Return the addresses that peers dial, of each region that has them by now."""
    found: dict[str, tuple[str, ...]] = {}
    for region in fleet.regions:
        if not fleet.validators_of(region):
            continue
        if region.cloud == "kubeconfig":
            found[region.name] = declared_addresses(fleet, region)
        elif (outputs := outputs_or_none(attempt, f"infrastructure/network/{region.name}")) is not None:
            found[region.name] = tuple(outputs["public_ips"])
    return found


def region_artefacts(attempt: Attempt, region: Region, vault: Vault | None = None) -> Artefacts:
    """Return what the objects of a region are made of.

    Args:
        attempt: of a task of the region.
        region: the region.
        vault: where its node keys lie; None where they become Secrets.

    Raises:
        TaskFailed: the genesis, the peers or the region's addresses aren't there yet.
        InputError: a key is missing.
    """
    addresses = allocated_addresses(attempt.fleet, attempt)
    if region.name not in addresses:
        raise TaskFailed(
            ErrorClass.CONFIGURATION,
            f"region {region.name} has no addresses yet",
            way_out="deploy its network first: `chainfleet retry FLEET infrastructure`",
        )
    network = outputs_or_none(attempt, f"infrastructure/network/{region.name}") or {}
    store = KeyStore.of(attempt.workspace, attempt.environ)
    mine = [v for v in validators(attempt) if v.region == region.name and vault is None]
    return Artefacts(
        genesis=_file(genesis_path(attempt.workspace), "besu/genesis/network"),
        static_nodes=_file(static_nodes_path(attempt.workspace), "besu/peers/network"),
        addresses=addresses,
        public_ip_names=tuple(network.get("public_ip_names", ())),
        group=str(network.get("group", "")),
        peer_sources=_peer_sources(attempt, addresses),
        keys={v.index: store.key(v) for v in mine},
        vault=vault,
    )


def _peer_sources(attempt: Attempt, addresses: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return where peers' packets come from: their own addresses, and their clusters' egress addresses."""
    sources = [address for region in addresses.values() for address in region]
    for name in addresses:
        outputs = outputs_or_none(attempt, f"infrastructure/network/{name}") or {}
        if outputs.get("egress_public_ip"):
            sources.append(str(outputs["egress_public_ip"]))
    return tuple(sorted(set(sources)))


def _file(path: Path, task_id: str) -> str:
    text = read_text(path)
    if text is None:
        raise TaskFailed(ErrorClass.CONFIGURATION, f"{path.name} is missing", way_out=f"run {task_id} again")
    return text

"""A fleet's objects as plain YAML, one folder per region: for git, Argo CD and Flux.

What isn't known yet (addresses, keys) stands in the files as a placeholder that begins with
`UNALLOCATED`; keys are never written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from chainfleet.drivers.kubernetes.base import base_manifests
from chainfleet.drivers.kubernetes.names import Manifest, key_secret
from chainfleet.drivers.kubernetes.yaml_text import yaml_text
from chainfleet.drivers.monitoring.manifests import central_files, monitoring_manifests, references
from chainfleet.drivers.monitoring.workloads import CREDENTIALS
from chainfleet.model.errors import InputError
from chainfleet.model.fleet import Fleet, Region

from .artefacts import genesis_path, static_nodes_path
from .files import read_text, write_text
from .manifests import Artefacts, render_region
from .node_config import UNALLOCATED, placeholder
from .peers import declared_addresses
from .policy import policy_breaches
from .vault import Vault

Addresses = Mapping[str, Sequence[str]]
CENTRAL = "central-monitoring"
"""Folder of what a central Prometheus, Alertmanager and Grafana are given."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What was written.

    Attributes:
        files: all of them, sorted.
        placeholders: what is to be filled in before the objects can be applied, by region.
    """

    files: tuple[Path, ...]
    placeholders: Mapping[str, tuple[str, ...]]


def write_rendered(
    fleet: Fleet,
    folder: Path,
    *,
    workspace: Path | None = None,
    addresses: Addresses | None = None,
    vaults: Mapping[str, Vault] | None = None,
) -> Rendered:
    """Write every region's objects below a folder.

    Args:
        fleet: what to render.
        folder: gets one folder per region, and one for a central Prometheus.
        workspace: an environment's folder; its genesis and peer list are used if it has them.
        addresses: what peers dial, per region; placeholders stand for those that are missing.
        vaults: the key vaults of regions that have one by now; likewise, where node keys lie in vaults.

    Raises:
        InputError: something can't be rendered, or would break the policy; nothing is written then.
    """
    genesis, peers = _network_files(workspace)
    known = _addresses(fleet, addresses or {})
    places = _vaults(fleet, vaults or {})
    contents: dict[Path, list[Manifest]] = {}
    for region in fleet.regions:
        made = _artefacts(fleet, region, genesis, peers, known, places.get(region.name))
        for name, manifests in region_files(fleet, region, made).items():
            contents[folder / region.name / name] = manifests
    breaches = policy_breaches(m for manifests in contents.values() for m in manifests)
    if breaches:
        raise InputError(
            f"rendered objects break the policy: {breaches[0]}",
            way_out="report it: what chainfleet renders has to keep the policy",
        )
    for path, manifests in contents.items():
        write_text(path, yaml_text(manifests), durable=False)
    plain = {folder / "README.md": _readme(fleet)}
    if fleet.monitoring.enabled:
        plain |= {folder / CENTRAL / name: text for name, text in central_files(fleet).items()}
    for path, text in plain.items():
        write_text(path, text, durable=False)
    return Rendered((*sorted(contents), *sorted(plain)), _placeholders(fleet, known, genesis, places))


def region_files(fleet: Fleet, region: Region, artefacts: Artefacts) -> dict[str, list[Manifest]]:
    """Return a region's objects by the name of the file they go to; names sort in the order to apply."""
    identity = "" if artefacts.vault is None else artefacts.vault.client_id
    files = {"00-base.yaml": base_manifests(fleet, region, identity)}
    if fleet.validators_of(region):
        files["10-besu.yaml"] = [_started(m) for m in render_region(fleet, region, artefacts)]
    if fleet.monitoring.enabled:
        files["20-monitoring.yaml"] = monitoring_manifests(fleet, region)
    return files


def _started(manifest: Manifest) -> Manifest:
    """Give StatefulSets a replica: in git there is no later step that starts them."""
    if manifest["kind"] != "StatefulSet":
        return manifest
    return {**manifest, "spec": {"replicas": 1, **manifest["spec"]}}


def _network_files(workspace: Path | None) -> tuple[str | None, str | None]:
    if workspace is None:
        return None, None
    return read_text(genesis_path(workspace)), read_text(static_nodes_path(workspace))


def _addresses(fleet: Fleet, given: Addresses) -> dict[str, tuple[str, ...]]:
    found = {}
    for region in fleet.regions:
        count = fleet.validators_of(region)
        declared = declared_addresses(fleet, region) if region.cloud == "kubeconfig" and count else ()
        have = tuple(given.get(region.name, declared))
        missing = tuple(placeholder(region.name, i) for i in range(len(have), count))
        found[region.name] = have[:count] + missing
    return found


def _artefacts(
    fleet: Fleet,
    region: Region,
    genesis: str | None,
    peers: str | None,
    addresses: Addresses,
    vault: Vault | None,
) -> Artefacts:
    known = [a for of_region in addresses.values() for a in of_region if not a.startswith(UNALLOCATED)]
    return Artefacts(
        genesis=genesis or f"{UNALLOCATED}-genesis\n",
        static_nodes=peers or f"{UNALLOCATED}-static-nodes\n",
        addresses=addresses,
        public_ip_names=[
            f"{fleet.resource_prefix}-validator-{i}" for i in range(fleet.validators_of(region))
        ],
        group=f"{fleet.resource_prefix}-{region.name}",
        peer_sources=known,
        vault=vault,
    )


def _vaults(fleet: Fleet, given: Mapping[str, Vault]) -> dict[str, Vault]:
    """Where each region's node keys lie, with placeholders for what isn't known yet; empty where in Secrets."""
    if fleet.network.node_keys != "vault":
        return {}
    tenant = fleet.clouds.azure.tenant_id
    known = f"{UNALLOCATED}-tenant" if tenant.startswith("${") else tenant
    unknown = Vault(f"{UNALLOCATED}-vault", "", known, f"{UNALLOCATED}-identity")
    carriers = [region.name for region in fleet.regions if fleet.validators_of(region)]
    return {name: replace(given.get(name, unknown), tenant_id=known) for name in carriers}


def _placeholders(
    fleet: Fleet, addresses: Addresses, genesis: str | None, vaults: Mapping[str, Vault]
) -> dict[str, tuple[str, ...]]:
    common = () if genesis else (f"{UNALLOCATED}-genesis", f"{UNALLOCATED}-static-nodes")
    found = {}
    for region in fleet.regions:
        vault = vaults.get(region.name)
        places = () if vault is None else (vault.name, vault.tenant_id, vault.client_id)
        own = tuple(a for a in (*addresses[region.name], *places) if a.startswith(UNALLOCATED))
        if own or common:
            found[region.name] = common + own
    return found


def _readme(fleet: Fleet) -> str:
    most = max((fleet.validators_of(region) for region in fleet.regions), default=0)
    secrets = ", ".join(f"`{key_secret(i)}`" for i in range(most))
    return f"""# {fleet.name}, rendered

One folder per region; apply its files in the order of their names, with `kubectl apply --server-side`
or by Argo CD or Flux.

{_keys_line(fleet, secrets)}{_credentials_line(fleet)}- Whatever begins with `{UNALLOCATED}` is not known yet and has to be filled in: validators refuse to
  start with it.
- Start the regions together: a validator that waits for a quorum doubles its round timer without end.
- `{CENTRAL}/` holds rules, dashboards and configuration for a central Prometheus, Alertmanager and Grafana.
"""


def _keys_line(fleet: Fleet, secrets: str) -> str:
    if fleet.network.node_keys == "vault":
        return f"""- Node keys are not here. Put them into each region's key vault as the secrets {secrets}, each with
  64 hex digits; pods mount the newest version.
"""
    return f"""- Node keys are not here. Make the Secrets {secrets} in namespace `besu` yourself, each with one entry
  `nodekey` (64 hex digits), or let your secret operator make them.
"""


def _credentials_line(fleet: Fleet) -> str:
    wanted = ", ".join(f"`{key}`" for key in references(fleet))
    return f"- Likewise Secret `{CREDENTIALS}` in namespace `monitoring`, with {wanted}.\n" if wanted else ""

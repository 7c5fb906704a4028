"""The Kubernetes objects of a region's validators, as plain data.

One StatefulSet per validator, never one with two replicas: key, address and disk belong to one
validator for good, and two pods on one key would sign two blocks at one height.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from chainfleet.drivers.kubernetes import names
from chainfleet.drivers.kubernetes.names import Manifest, besu_labels, manifest
from chainfleet.model.besu.identity import PrivateKey
from chainfleet.model.errors import InputError
from chainfleet.model.fleet import Fleet, Region

from .node_config import node_options, toml_text
from .pod import pod_template

if TYPE_CHECKING:
    from .vault import Vault


@dataclass(frozen=True, slots=True)
class Artefacts:
    """What a region's objects are made of, beside the fleet.

    Attributes:
        genesis: text of the genesis file.
        static_nodes: text of `static-nodes.json`.
        addresses: of each region, what peers dial, per validator; or placeholders.
        public_ip_names: names of the region's public IP resources, per validator; Azure and AWS.
        group: resource group that those live in; Azure only.
        peer_sources: addresses that peers come from (validators' own and their clusters' egress).
        keys: node keys by index; empty renders no Secret.
        vault: the key vault that pods mount their keys from, where the fleet says so.
    """

    genesis: str
    static_nodes: str
    addresses: Mapping[str, Sequence[str]]
    public_ip_names: Sequence[str] = ()
    group: str = ""
    peer_sources: Sequence[str] = ()
    keys: Mapping[int, PrivateKey] = field(default_factory=dict)
    vault: Vault | None = None


def render_region(fleet: Fleet, region: Region, artefacts: Artefacts) -> list[Manifest]:
    """Return the objects of task `besu/config/{region}`, in the order they are applied.

    StatefulSets have no replicas here: who applies them decides (see `drivers.besu.config`).

    Raises:
        InputError: an address is missing, an option unknown, or the region's cloud not supported.
    """
    objects = [
        _genesis(fleet, region, artefacts),
        _peers(fleet, region, artefacts),
        _peer_policy(fleet, region, artefacts),
        _headless(fleet, region),
        _disruption_budget(fleet, region),
    ]
    for index in range(fleet.validators_of(region)):
        objects += _validator_objects(fleet, region, index, artefacts)
    return objects


def image_of(fleet: Fleet) -> str:
    """Return the image reference: by digest where the fleet pins one, else by version."""
    network = fleet.network
    if network.image_digest:
        return f"{network.image}:{network.besu_version}@{network.image_digest}"
    return f"{network.image}:{network.besu_version}"


def _validator_objects(fleet: Fleet, region: Region, index: int, artefacts: Artefacts) -> list[Manifest]:
    addresses = artefacts.addresses.get(region.name, ())
    if index >= len(addresses):
        raise InputError(
            f"{region.name}-{index} has no address that peers could dial",
            way_out="deploy the region's network first, or give `addresses` for an existing cluster",
        )
    options = node_options(fleet, identity=f"{region.name}-v{index}", p2p_host=addresses[index])
    config = toml_text(options)
    labels = besu_labels(fleet.name, region.name, index)
    objects = [_config_map(names.config_map(index), labels, {"config.toml": config})]
    if artefacts.vault is not None:
        objects.append(_key_mount(index, labels, artefacts.vault))
    elif index in artefacts.keys:
        objects.append(_key_secret(index, labels, artefacts.keys[index]))
    objects.append(_service(fleet, index, labels))
    objects.append(_p2p_service(fleet, region, index, labels, artefacts))
    objects.append(
        _stateful_set(fleet, region, index, labels, [config, artefacts.genesis, artefacts.static_nodes])
    )
    return objects


def _config_map(name: str, labels: Mapping[str, str], data: Mapping[str, str]) -> Manifest:
    return manifest("v1", "ConfigMap", name, namespace=names.NAMESPACE, labels=labels, data=dict(data))


def _genesis(fleet: Fleet, region: Region, artefacts: Artefacts) -> Manifest:
    labels = besu_labels(fleet.name, region.name)
    return _config_map(names.GENESIS_CONFIG_MAP, labels, {"genesis.json": artefacts.genesis})


def _peers(fleet: Fleet, region: Region, artefacts: Artefacts) -> Manifest:
    labels = besu_labels(fleet.name, region.name)
    return _config_map(names.PEERS_CONFIG_MAP, labels, {"static-nodes.json": artefacts.static_nodes})


def _key_secret(index: int, labels: Mapping[str, str], key: PrivateKey) -> Manifest:
    data = {"nodekey": base64.b64encode(key.key_file_text().encode()).decode()}
    name = names.key_secret(index)
    return manifest("v1", "Secret", name, namespace=names.NAMESPACE, labels=labels, type="Opaque", data=data)


def _key_mount(index: int, labels: Mapping[str, str], vault: Vault) -> Manifest:
    """What the Secrets Store CSI driver gets for a validator's pod: its own key, as the validators' own identity.

    Pinned to the version that was looked at, so that nobody changes a validator's key by writing to the vault.
    """
    name = names.key_secret(index)
    entry = {
        "objectName": name,
        "objectType": "secret",
        "objectAlias": "nodekey",
        "objectVersion": vault.versions.get(index, ""),
        # The driver's files belong to root, and its volumes take no fsGroup: Besu (user 1000) reads as one of all others.
        "filePermission": "0644",
    }
    objects = "".join(f'    {key}: "{value}"\n' for key, value in entry.items())
    parameters = {
        "usePodIdentity": "false",
        "clientID": vault.client_id,
        "keyvaultName": vault.name,
        "tenantId": vault.tenant_id,
        "objects": f"array:\n  - |\n{objects}",
    }
    return manifest(
        "secrets-store.csi.x-k8s.io/v1",
        "SecretProviderClass",
        name,
        namespace=names.NAMESPACE,
        labels=labels,
        spec={"provider": "azure", "parameters": parameters},
    )


def _peer_policy(fleet: Fleet, region: Region, artefacts: Artefacts) -> Manifest:
    """Let validators talk to peers on the P2P port, and to nobody else."""
    port = [{"port": fleet.network.p2p_port, "protocol": protocol} for protocol in _protocols(fleet)]
    near = {"podSelector": {"matchLabels": names.VALIDATOR_SELECTOR}}
    blocks = [{"ipBlock": {"cidr": _cidr(source)}} for source in sorted(set(artefacts.peer_sources))]
    peers = [near, *blocks]
    spec = {
        "podSelector": {"matchLabels": names.VALIDATOR_SELECTOR},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": peers, "ports": port}],
        "egress": [{"to": peers, "ports": port}],
    }
    labels = besu_labels(fleet.name, region.name)
    return manifest(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        "validators-peers",
        namespace=names.NAMESPACE,
        labels=labels,
        spec=spec,
    )


def _cidr(source: str) -> str:
    if "/" in source:
        return source
    return f"{source}/{128 if ':' in source else 32}"


def _headless(fleet: Fleet, region: Region) -> Manifest:
    spec = {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": names.VALIDATOR_SELECTOR,
        "ports": [_port("p2p", fleet.network.p2p_port)],
    }
    return manifest(
        "v1",
        "Service",
        names.HEADLESS_SERVICE,
        namespace=names.NAMESPACE,
        labels=besu_labels(fleet.name, region.name),
        spec=spec,
    )


def _disruption_budget(fleet: Fleet, region: Region) -> Manifest:
    # It guards against voluntary evictions in this cluster only; nothing in Kubernetes counts the
    # validators of 24 clusters, which is why maintenance windows are staggered.
    return manifest(
        "policy/v1",
        "PodDisruptionBudget",
        "validators",
        namespace=names.NAMESPACE,
        labels=besu_labels(fleet.name, region.name),
        spec={"maxUnavailable": 1, "selector": {"matchLabels": names.VALIDATOR_SELECTOR}},
    )


def _service(fleet: Fleet, index: int, labels: Mapping[str, str]) -> Manifest:
    """JSON-RPC and metrics inside the cluster; a validator that isn't ready must still say why."""
    network = fleet.network
    spec = {
        "type": "ClusterIP",
        "publishNotReadyAddresses": True,
        "selector": names.selector_of(index),
        "ports": [_port("rpc", network.rpc_port), _port("metrics", network.metrics_port)],
    }
    return manifest(
        "v1", "Service", names.validator(index), namespace=names.NAMESPACE, labels=labels, spec=spec
    )


def _p2p_service(
    fleet: Fleet, region: Region, index: int, labels: Mapping[str, str], artefacts: Artefacts
) -> Manifest:
    spec: dict[str, Any] = {
        "type": "LoadBalancer",
        # Fresh validators have no peers, so none is ready: without this nobody could ever connect.
        "publishNotReadyAddresses": True,
        "externalTrafficPolicy": "Local",
        "selector": names.selector_of(index),
        "ports": [_p2p_port(fleet, protocol) for protocol in _protocols(fleet)],
    }
    annotations = {}
    if region.cloud == "azure":
        annotations = _azure_annotations(region, index, artefacts)
    elif region.cloud == "aws":
        annotations = _aws_annotations(region, index, artefacts)
    else:
        spec["loadBalancerIP"] = artefacts.addresses[region.name][index]
    if region.cloud in ("aws", "gcp"):
        # These clouds open their firewalls for a service: to peers only. In Azure the subnet's own rules stand.
        spec["loadBalancerSourceRanges"] = [f"{source}/32" for source in artefacts.peer_sources]
    return manifest(
        "v1",
        "Service",
        names.p2p_service(index),
        namespace=names.NAMESPACE,
        labels=labels,
        annotations=annotations,
        spec=spec,
    )


def _protocols(fleet: Fleet) -> tuple[str, ...]:
    """RLPx is TCP; discovery adds UDP on the same port (mixed Services need Kubernetes 1.26)."""
    return ("TCP", "UDP") if fleet.network.discovery else ("TCP",)


def _p2p_port(fleet: Fleet, protocol: str) -> dict[str, Any]:
    if protocol == "TCP":
        return _port("p2p", fleet.network.p2p_port)
    number = fleet.network.p2p_port
    return {"name": "discovery", "port": number, "targetPort": "discovery", "protocol": protocol}


def _azure_annotations(region: Region, index: int, artefacts: Artefacts) -> dict[str, str]:
    if index >= len(artefacts.public_ip_names):
        raise InputError(
            f"{region.name}-{index} has no public IP resource",
            way_out="deploy the region's network first: `chainfleet deploy FLEET --only infrastructure`",
        )
    head = "service.beta.kubernetes.io/azure-"
    return {
        f"{head}pip-name": artefacts.public_ip_names[index],
        f"{head}load-balancer-resource-group": artefacts.group,
    }


def _aws_annotations(region: Region, index: int, artefacts: Artefacts) -> dict[str, str]:
    """A network load balancer with the validator's own address, in the one subnet that the address is for."""
    if index >= len(artefacts.public_ip_names):
        raise InputError(
            f"{region.name}-{index} has no public IP resource",
            way_out="deploy the region's network first: `chainfleet deploy FLEET --only infrastructure`",
        )
    allocation, _, subnet = artefacts.public_ip_names[index].partition("/")
    head = "service.beta.kubernetes.io/aws-load-balancer-"
    return {f"{head}type": "nlb", f"{head}eip-allocations": allocation, f"{head}subnets": subnet}


def _port(name: str, port: int) -> dict[str, Any]:
    return {"name": name, "port": port, "targetPort": name, "protocol": "TCP"}


def _stateful_set(
    fleet: Fleet, region: Region, index: int, labels: Mapping[str, str], configs: Sequence[str]
) -> Manifest:
    checksum = sha256("\0".join(configs).encode()).hexdigest()
    claim: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": f"{fleet.network.disk_gib}Gi"}},
    }
    if region.cloud != "kubeconfig":
        claim["storageClassName"] = names.STORAGE_CLASS
    spec = {
        "serviceName": names.HEADLESS_SERVICE,
        "podManagementPolicy": "Parallel",
        # Restarts are ordered over all clusters by head age and quorum; no cluster may do it alone.
        "updateStrategy": {"type": "OnDelete"},
        "selector": {"matchLabels": names.selector_of(index)},
        "template": pod_template(fleet, region, index, labels, image_of(fleet), checksum),
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
        "persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain", "whenScaled": "Retain"},
    }
    return manifest(
        "apps/v1", "StatefulSet", names.validator(index), namespace=names.NAMESPACE, labels=labels, spec=spec
    )

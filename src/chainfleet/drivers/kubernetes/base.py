"""What a cluster needs before validators come: namespace, identity, disks, priority and closed doors."""

from __future__ import annotations

from typing import Any

from chainfleet.model.fleet import Fleet, Region

from . import names
from .names import Manifest, common_labels, manifest

_DISK_DRIVERS: dict[str, tuple[str, dict[str, str]]] = {
    "azure": ("disk.csi.azure.com", {"skuName": "Premium_LRS", "cachingMode": "ReadOnly"}),
    "aws": ("ebs.csi.aws.com", {"type": "gp3"}),
    "gcp": ("pd.csi.storage.gke.io", {"type": "pd-ssd"}),
}
"""Block storage per cloud; RocksDB on file shares fails with lock errors."""


def base_manifests(fleet: Fleet, region: Region, identity: str = "") -> list[Manifest]:
    """Return the objects of task `kubernetes/base/{region}`, in the order they are applied.

    Args:
        fleet: what is deployed.
        region: the cluster's.
        identity: client id of the managed identity that validators act as; empty where they act as none.
    """
    labels = common_labels(fleet.name, region.name)
    objects = [
        _namespace(labels),
        _service_account(labels, identity),
        _priority_class(labels),
        *_network_policies(fleet, labels),
    ]
    if region.cloud in _DISK_DRIVERS:
        objects.insert(1, _storage_class(region, labels))
    return objects


def _namespace(labels: dict[str, str]) -> Manifest:
    # `restricted` is the strictest of the Pod Security Standards: the API server itself refuses root.
    security = {
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/warn": "restricted",
    }
    return manifest("v1", "Namespace", names.NAMESPACE, labels=labels | security)


def _service_account(labels: dict[str, str], identity: str) -> Manifest:
    return manifest(
        "v1",
        "ServiceAccount",
        names.SERVICE_ACCOUNT,
        namespace=names.NAMESPACE,
        labels=labels,
        annotations={names.CLIENT_ID_ANNOTATION: identity} if identity else None,
        automountServiceAccountToken=False,
    )


def _storage_class(region: Region, labels: dict[str, str]) -> Manifest:
    provisioner, parameters = _DISK_DRIVERS[region.cloud]
    return manifest(
        "storage.k8s.io/v1",
        "StorageClass",
        names.STORAGE_CLASS,
        labels=labels,
        provisioner=provisioner,
        parameters=parameters,
        # The disk follows the pod's zone, outlives its claim and can grow.
        volumeBindingMode="WaitForFirstConsumer",
        reclaimPolicy="Retain",
        allowVolumeExpansion=True,
    )


def _priority_class(labels: dict[str, str]) -> Manifest:
    return manifest(
        "scheduling.k8s.io/v1",
        "PriorityClass",
        names.PRIORITY_CLASS,
        labels=labels,
        value=1_000_000,
        globalDefault=False,
        preemptionPolicy="PreemptLowerPriority",
        description="Validators: evicted last, they carry the quorum",
    )


def _network_policies(fleet: Fleet, labels: dict[str, str]) -> list[Manifest]:
    network = fleet.network
    pods = {"matchLabels": names.VALIDATOR_SELECTOR}
    in_monitoring = _from_namespace(names.MONITORING_NAMESPACE)
    # The API server's service proxy reaches pods through the tunnel that runs in kube-system.
    in_system = _from_namespace("kube-system")
    rpc = {"from": [in_system, in_monitoring], "ports": [_tcp(network.rpc_port)]}
    metrics = {"from": [in_monitoring], "ports": [_tcp(network.metrics_port)]}
    dns = {"to": [in_system], "ports": [_udp(53), _tcp(53)]}
    return [
        _policy("default-deny", labels, {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}),
        _policy(
            "validators-served",
            labels,
            {"podSelector": pods, "policyTypes": ["Ingress"], "ingress": [rpc, metrics]},
        ),
        _policy("validators-dns", labels, {"podSelector": pods, "policyTypes": ["Egress"], "egress": [dns]}),
    ]


def _policy(name: str, labels: dict[str, str], spec: dict[str, Any]) -> Manifest:
    return manifest(
        "networking.k8s.io/v1", "NetworkPolicy", name, namespace=names.NAMESPACE, labels=labels, spec=spec
    )


def _from_namespace(name: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def _tcp(port: int) -> dict[str, Any]:
    return {"port": port, "protocol": "TCP"}


def _udp(port: int) -> dict[str, Any]:
    return {"port": port, "protocol": "UDP"}

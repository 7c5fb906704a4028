"""What the watchers may read, and whom they may talk to: no more than service discovery and scraping take."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from chainfleet.drivers.kubernetes import names
from chainfleet.drivers.kubernetes.names import Manifest, manifest
from chainfleet.model.fleet import Fleet

from . import configuration as config

PROMETHEUS = "prometheus"
KUBE_STATE = "kube-state-metrics"
NODE_EXPORTER = "node-exporter"
CLUSTER_ROLE = "chainfleet-monitoring"

_RBAC = "rbac.authorization.k8s.io"
_READ = ["get", "list", "watch"]
Labels = dict[str, str]


def rights(fleet: Fleet, labels: Labels) -> list[Manifest]:
    """Return service accounts and roles."""
    pods = {"apiGroups": [""], "resources": ["pods"], "verbs": _READ}
    nodes = [
        {"apiGroups": [""], "resources": ["nodes"], "verbs": _READ},
        # Not `nodes/proxy`: that would be a way into every container.
        {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]},
    ]
    found = [
        _account(PROMETHEUS, labels),
        *_role(PROMETHEUS, PROMETHEUS, names.NAMESPACE, [pods], labels),
        *_role(f"{PROMETHEUS}-watchers", PROMETHEUS, names.MONITORING_NAMESPACE, [pods], labels),
        *_cluster_role(nodes, labels),
    ]
    if fleet.monitoring.kube_state_image:
        watched = [
            {"apiGroups": [""], "resources": ["pods", "persistentvolumeclaims"], "verbs": ["list", "watch"]},
            {"apiGroups": ["apps"], "resources": ["statefulsets"], "verbs": ["list", "watch"]},
        ]
        found += [
            _account(KUBE_STATE, labels),
            *_role(KUBE_STATE, KUBE_STATE, names.NAMESPACE, watched, labels),
        ]
    return found


def network_policies(fleet: Fleet, labels: Labels) -> list[Manifest]:
    """Return the policies: nothing in or out but what is named."""
    system = _namespace("kube-system")
    api = {"ports": [_port(443), _port(6443)]}
    dns = {"to": [system], "ports": [_port(53), _port(53, "UDP")]}
    watchers: dict[str, Any] = {"podSelector": {}}
    validators = {**_namespace(names.NAMESPACE), "podSelector": {"matchLabels": names.VALIDATOR_SELECTOR}}
    prometheus_egress: list[dict[str, Any]] = [
        {"to": [validators], "ports": [_port(fleet.network.metrics_port)]},
        {
            "to": [watchers],
            "ports": [
                _port(p)
                for p in (config.NODE_EXPORTER_PORT, config.KUBE_STATE_PORT, config.ALERTMANAGER_PORT)
            ],
        },
        dns,
        # Addresses of the API server, of kubelets and of what is written to are the provider's to choose.
        {"ports": [_port(p) for p in sorted({443, 6443, config.KUBELET_PORT, *_written_to(fleet)})]},
    ]
    scraped = [{"from": [{"podSelector": {"matchLabels": selector(PROMETHEUS)}}]}]
    queried = {"from": [watchers, system], "ports": [_port(config.PROMETHEUS_PORT)]}
    found = [
        _policy("default-deny", labels, {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}),
        _policy_of(PROMETHEUS, labels, [queried], prometheus_egress),
        _policy_of(NODE_EXPORTER, labels, scraped, []),
    ]
    if fleet.monitoring.kube_state_image:
        found.append(_policy_of(KUBE_STATE, labels, scraped, [dns, api]))
    if fleet.monitoring.alert_webhook:
        told = [{"from": [watchers, system], "ports": [_port(config.ALERTMANAGER_PORT)]}]
        found.append(_policy_of(config.ALERTMANAGER, labels, told, [dns, {"ports": [_port(443)]}]))
    return found


def _written_to(fleet: Fleet) -> set[int]:
    """The port of the central Prometheus, where there is one."""
    if fleet.monitoring.remote_write is None:
        return set()
    parts = urlsplit(fleet.monitoring.remote_write.url)
    return {parts.port or (443 if parts.scheme == "https" else 80)}


def selector(name: str) -> Labels:
    """Labels that select a watcher's pods."""
    return {"app.kubernetes.io/name": name}


def _account(name: str, labels: Labels) -> Manifest:
    return manifest(
        "v1",
        "ServiceAccount",
        name,
        namespace=names.MONITORING_NAMESPACE,
        labels=labels,
        automountServiceAccountToken=False,
    )


def _role(
    name: str, account: str, namespace: str, rules: list[dict[str, Any]], labels: Labels
) -> list[Manifest]:
    where: dict[str, Any] = {"namespace": namespace, "labels": labels}
    return [
        manifest(f"{_RBAC}/v1", "Role", name, **where, rules=rules),
        manifest(
            f"{_RBAC}/v1",
            "RoleBinding",
            name,
            **where,
            roleRef={"apiGroup": _RBAC, "kind": "Role", "name": name},
            subjects=[_subject(account)],
        ),
    ]


def _cluster_role(rules: list[dict[str, Any]], labels: Labels) -> list[Manifest]:
    return [
        manifest(f"{_RBAC}/v1", "ClusterRole", CLUSTER_ROLE, labels=labels, rules=rules),
        manifest(
            f"{_RBAC}/v1",
            "ClusterRoleBinding",
            CLUSTER_ROLE,
            labels=labels,
            roleRef={"apiGroup": _RBAC, "kind": "ClusterRole", "name": CLUSTER_ROLE},
            subjects=[_subject(PROMETHEUS)],
        ),
    ]


def _subject(account: str) -> dict[str, str]:
    return {"kind": "ServiceAccount", "name": account, "namespace": names.MONITORING_NAMESPACE}


def _policy_of(
    name: str, labels: Labels, ingress: list[dict[str, Any]], egress: list[dict[str, Any]]
) -> Manifest:
    spec = {
        "podSelector": {"matchLabels": selector(name)},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": ingress,
        "egress": egress,
    }
    return _policy(name, labels, {key: value for key, value in spec.items() if value})


def _policy(name: str, labels: Labels, spec: dict[str, Any]) -> Manifest:
    return manifest(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        name,
        namespace=names.MONITORING_NAMESPACE,
        labels=labels,
        spec=spec,
    )


def _namespace(name: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def _port(number: int, protocol: str = "TCP") -> dict[str, Any]:
    return {"port": number, "protocol": protocol}

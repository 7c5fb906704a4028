"""The objects that watch a region: Prometheus with its configuration, rights, disk and closed doors."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from chainfleet.drivers.kubernetes import names
from chainfleet.drivers.kubernetes.names import Manifest, common_labels, manifest
from chainfleet.drivers.kubernetes.yaml_text import document_text
from chainfleet.model.fleet import Fleet, Region

from .rules import rules

NAME = "prometheus"
_PORT = 9090
_UID = 65534
"""User `nobody` of the image."""
_SELECTOR = {"app.kubernetes.io/name": NAME}
_NAMESPACE = names.MONITORING_NAMESPACE


def monitoring_manifests(fleet: Fleet, region: Region) -> list[Manifest]:
    """Return the objects of task `monitoring/install/{region}`, in the order they are applied."""
    labels = common_labels(fleet.name, region.name) | _SELECTOR
    configuration = document_text(_configuration(fleet, region))
    alerts = document_text(rules(fleet))
    checksum = sha256(f"{configuration}\0{alerts}".encode()).hexdigest()
    return [
        _namespace(common_labels(fleet.name, region.name)),
        _namespaced("v1", "ServiceAccount", NAME, labels, automountServiceAccountToken=False),
        _role(labels),
        _role_binding(labels),
        _namespaced("v1", "ConfigMap", "prometheus-config", labels, data={"prometheus.yml": configuration}),
        _namespaced("v1", "ConfigMap", "prometheus-rules", labels, data={"besu.yml": alerts}),
        *_network_policies(fleet, labels),
        _service(labels),
        _stateful_set(fleet, region, labels, checksum),
    ]


def _namespaced(api_version: str, kind: str, name: str, labels: dict[str, str], **body: Any) -> Manifest:
    return manifest(api_version, kind, name, namespace=_NAMESPACE, labels=labels, **body)


def _namespace(labels: dict[str, str]) -> Manifest:
    return manifest(
        "v1",
        "Namespace",
        _NAMESPACE,
        labels=labels | {"pod-security.kubernetes.io/enforce": "restricted"},
    )


def _role(labels: dict[str, str]) -> Manifest:
    # Only the validators' namespace, only what service discovery reads.
    readable = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
    return manifest(
        "rbac.authorization.k8s.io/v1",
        "Role",
        NAME,
        namespace=names.NAMESPACE,
        labels=labels,
        rules=[readable],
    )


def _role_binding(labels: dict[str, str]) -> Manifest:
    return manifest(
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        NAME,
        namespace=names.NAMESPACE,
        labels=labels,
        roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": NAME},
        subjects=[{"kind": "ServiceAccount", "name": NAME, "namespace": _NAMESPACE}],
    )


def _configuration(fleet: Fleet, region: Region) -> dict[str, Any]:
    interval = f"{fleet.monitoring.scrape_interval_seconds}s"
    return {
        "global": {
            "scrape_interval": interval,
            "evaluation_interval": interval,
            "external_labels": {
                "fleet": fleet.name,
                "region": region.name,
                "chain_id": str(fleet.network.chain_id),
            },
        },
        "rule_files": ["/etc/prometheus/rules/*.yml"],
        "scrape_configs": [
            {"job_name": NAME, "static_configs": [{"targets": [f"localhost:{_PORT}"]}]},
            {
                "job_name": "besu-validator",
                "metrics_path": "/metrics",
                "kubernetes_sd_configs": [{"role": "pod", "namespaces": {"names": [names.NAMESPACE]}}],
                "relabel_configs": _relabeling(region),
            },
        ],
    }


def _relabeling(region: Region) -> list[dict[str, Any]]:
    label = "__meta_kubernetes_pod_label_app_kubernetes_io_"
    return [
        {"source_labels": [f"{label}component"], "regex": "validator", "action": "keep"},
        {
            "source_labels": ["__meta_kubernetes_pod_container_port_name"],
            "regex": "metrics",
            "action": "keep",
        },
        {"source_labels": [f"{label}instance"], "target_label": "validator"},
        {"source_labels": ["__meta_kubernetes_pod_node_name"], "target_label": "node"},
        {"target_label": "region", "replacement": region.name},
    ]


def _network_policies(fleet: Fleet, labels: dict[str, str]) -> list[Manifest]:
    pods = {"matchLabels": _SELECTOR}
    system = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
    validators = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": names.NAMESPACE}},
        "podSelector": {"matchLabels": names.VALIDATOR_SELECTOR},
    }
    egress = [
        {"to": [validators], "ports": [_port(fleet.network.metrics_port)]},
        {"to": [system], "ports": [_port(53), _port(53, "UDP")]},
        # The API server's address is the provider's to choose; its port is one of these.
        {"ports": [_port(443), _port(6443)]},
    ]
    ingress = [{"from": [{"podSelector": {}}, system], "ports": [_port(_PORT)]}]
    spec = {"podSelector": pods, "policyTypes": ["Ingress", "Egress"], "ingress": ingress, "egress": egress}
    deny = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    api = "networking.k8s.io/v1"
    return [
        _namespaced(api, "NetworkPolicy", "default-deny", labels, spec=deny),
        _namespaced(api, "NetworkPolicy", NAME, labels, spec=spec),
    ]


def _port(number: int, protocol: str = "TCP") -> dict[str, Any]:
    return {"port": number, "protocol": protocol}


def _service(labels: dict[str, str]) -> Manifest:
    ports = [{"name": "http", "port": _PORT, "targetPort": "http", "protocol": "TCP"}]
    spec = {"type": "ClusterIP", "selector": _SELECTOR, "ports": ports}
    return _namespaced("v1", "Service", NAME, labels, spec=spec)


def _stateful_set(fleet: Fleet, region: Region, labels: dict[str, str], checksum: str) -> Manifest:
    claim: dict[str, Any] = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": f"{max(16, 2 * fleet.monitoring.retention_days)}Gi"}},
    }
    if region.cloud != "kubeconfig":
        claim["storageClassName"] = names.STORAGE_CLASS
    spec = {
        "replicas": 1,
        "serviceName": NAME,
        "selector": {"matchLabels": _SELECTOR},
        "template": {
            "metadata": {"labels": labels, "annotations": {"chainfleet.io/config-checksum": checksum}},
            "spec": _pod(fleet, region),
        },
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
    }
    return _namespaced("apps/v1", "StatefulSet", NAME, labels, spec=spec)


def _pod(fleet: Fleet, region: Region) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "serviceAccountName": NAME,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 120,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _UID,
            "runAsGroup": _UID,
            "fsGroup": _UID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(fleet)],
        "volumes": [
            {"name": "config", "configMap": {"name": "prometheus-config"}},
            {"name": "rules", "configMap": {"name": "prometheus-rules"}},
        ],
    }
    if region.cloud != "kubeconfig":
        # The system pool takes add-ons only; a watcher is small enough to live beside the validators.
        spec["nodeSelector"] = names.VALIDATOR_POOL_LABEL
        spec["tolerations"] = [
            {"key": names.VALIDATOR_POOL_TAINT, "operator": "Equal", "value": "true", "effect": "NoSchedule"}
        ]
    return spec


def _container(fleet: Fleet) -> dict[str, Any]:
    monitoring = fleet.monitoring
    probe = {"port": "http", "scheme": "HTTP"}
    return {
        "name": NAME,
        "image": f"{monitoring.prometheus_image}:{monitoring.prometheus_version}",
        "imagePullPolicy": "IfNotPresent",
        "args": [
            "--config.file=/etc/prometheus/config/prometheus.yml",
            "--storage.tsdb.path=/prometheus",
            f"--storage.tsdb.retention.time={monitoring.retention_days}d",
            f"--web.listen-address=:{_PORT}",
        ],
        "ports": [{"name": "http", "containerPort": _PORT, "protocol": "TCP"}],
        "resources": {
            "requests": {"cpu": "250m", "memory": "512Mi"},
            "limits": {"cpu": "1", "memory": "2Gi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        },
        # Replaying a long write-ahead log takes minutes.
        "startupProbe": {
            "httpGet": {"path": "/-/ready", **probe},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 60,
        },
        "livenessProbe": {
            "httpGet": {"path": "/-/healthy", **probe},
            "periodSeconds": 30,
            "timeoutSeconds": 5,
            "failureThreshold": 6,
        },
        "readinessProbe": {
            "httpGet": {"path": "/-/ready", **probe},
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
        "volumeMounts": [
            {"name": "config", "mountPath": "/etc/prometheus/config", "readOnly": True},
            {"name": "rules", "mountPath": "/etc/prometheus/rules", "readOnly": True},
            {"name": "data", "mountPath": "/prometheus"},
        ],
    }

"""The pods that watch a region: Prometheus, node exporters, and what the fleet asks for besides."""

from __future__ import annotations

from typing import Any

from chainfleet.drivers.kubernetes import names
from chainfleet.drivers.kubernetes.names import Manifest, manifest
from chainfleet.model.fleet import Fleet, Region

from . import configuration as config
from .access import KUBE_STATE, NODE_EXPORTER, PROMETHEUS, selector

CREDENTIALS = "monitoring-credentials"
"""Secret that holds what the fleet only refers to."""
_UID = 65534
"""User `nobody` of the images."""

Json = dict[str, Any]
Labels = dict[str, str]


def prometheus(fleet: Fleet, region: Region, labels: Labels, checksum: str) -> Manifest:
    """Return the StatefulSet of the region's Prometheus, server or agent."""
    monitoring = fleet.monitoring
    container = _container(
        PROMETHEUS,
        f"{monitoring.prometheus_image}:{monitoring.prometheus_version}",
        _prometheus_args(fleet),
        ("http", config.PROMETHEUS_PORT),
        requests={"cpu": "250m", "memory": "512Mi"},
        limits={"cpu": "1", "memory": "2Gi"},
        probes=("/-/ready", "/-/healthy"),
    )
    container["volumeMounts"] = [
        {"name": "config", "mountPath": "/etc/prometheus/config", "readOnly": True},
        {"name": "rules", "mountPath": "/etc/prometheus/rules", "readOnly": True},
        {"name": "data", "mountPath": "/prometheus"},
    ]
    volumes: list[Json] = [
        _config_map("config", "prometheus-config"),
        _config_map("rules", "prometheus-rules"),
    ]
    if monitoring.remote_write is not None and monitoring.remote_write.token is not None:
        _add_secret(container, volumes, config.REMOTE_WRITE_TOKEN)
    pod = _pod(region, container, volumes, account=PROMETHEUS)
    # Writing the last block out takes its time.
    pod["terminationGracePeriodSeconds"] = 120
    claim: Json = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": f"{max(16, 2 * monitoring.retention_days)}Gi"}},
    }
    if region.cloud != "kubeconfig":
        claim["storageClassName"] = names.STORAGE_CLASS
    spec = _replicated(PROMETHEUS, pod, labels, checksum)
    return _workload(
        "StatefulSet",
        PROMETHEUS,
        labels,
        {
            **spec,
            "serviceName": PROMETHEUS,
            "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": claim}],
        },
    )


def alertmanager(fleet: Fleet, region: Region, labels: Labels, checksum: str) -> Manifest:
    """Return the StatefulSet of the region's Alertmanager; its silences live as long as its pod."""
    container = _container(
        config.ALERTMANAGER,
        fleet.monitoring.alertmanager_image,
        [
            "--config.file=/etc/alertmanager/config/alertmanager.yml",
            "--storage.path=/alertmanager",
            "--cluster.listen-address=",
            f"--web.listen-address=:{config.ALERTMANAGER_PORT}",
        ],
        ("http", config.ALERTMANAGER_PORT),
        requests={"cpu": "20m", "memory": "64Mi"},
        limits={"cpu": "200m", "memory": "256Mi"},
        probes=("/-/ready", "/-/healthy"),
    )
    container["volumeMounts"] = [
        {"name": "config", "mountPath": "/etc/alertmanager/config", "readOnly": True},
        {"name": "data", "mountPath": "/alertmanager"},
    ]
    volumes: list[Json] = [_config_map("config", "alertmanager-config"), {"name": "data", "emptyDir": {}}]
    _add_secret(container, volumes, config.ALERT_WEBHOOK)
    spec = _replicated(config.ALERTMANAGER, _pod(region, container, volumes), labels, checksum)
    return _workload("StatefulSet", config.ALERTMANAGER, labels, {**spec, "serviceName": config.ALERTMANAGER})


def node_exporter(fleet: Fleet, region: Region, labels: Labels) -> Manifest:
    """Return the DaemonSet of node exporters.

    Only what a container sees of its node without any right: clock, load and memory are the node's own in
    every container. No path of the node is mounted, so it runs under the strictest pod security.
    """
    container = _container(
        NODE_EXPORTER,
        fleet.monitoring.node_exporter_image,
        [
            "--collector.disable-defaults",
            *(f"--collector.{name}" for name in ("loadavg", "meminfo", "time", "timex")),
            f"--web.listen-address=:{config.NODE_EXPORTER_PORT}",
        ],
        ("metrics", config.NODE_EXPORTER_PORT),
        requests={"cpu": "10m", "memory": "24Mi"},
        limits={"cpu": "100m", "memory": "64Mi"},
        probes=("/", "/"),
    )
    pod = _pod(region, container, [])
    pod.pop("nodeSelector", None)
    pod["tolerations"] = [{"operator": "Exists"}]
    return _workload("DaemonSet", NODE_EXPORTER, labels, _templated(NODE_EXPORTER, pod, labels))


def kube_state(fleet: Fleet, region: Region, labels: Labels) -> Manifest:
    """Return the Deployment of kube-state-metrics, which sees the validators' namespace only."""
    assert fleet.monitoring.kube_state_image is not None
    container = _container(
        KUBE_STATE,
        fleet.monitoring.kube_state_image,
        [
            f"--namespaces={names.NAMESPACE}",
            "--resources=pods,statefulsets,persistentvolumeclaims",
            f"--port={config.KUBE_STATE_PORT}",
        ],
        ("metrics", config.KUBE_STATE_PORT),
        requests={"cpu": "10m", "memory": "64Mi"},
        limits={"cpu": "100m", "memory": "256Mi"},
        probes=("/healthz", "/healthz"),
    )
    pod = _pod(region, container, [], account=KUBE_STATE)
    return _workload("Deployment", KUBE_STATE, labels, _replicated(KUBE_STATE, pod, labels))


def service(name: str, port: int, labels: Labels) -> Manifest:
    """Return the Service of a watcher."""
    ports = [{"name": "http", "port": port, "targetPort": "http", "protocol": "TCP"}]
    spec = {"type": "ClusterIP", "selector": selector(name), "ports": ports}
    return manifest(
        "v1", "Service", name, namespace=names.MONITORING_NAMESPACE, labels=labels | selector(name), spec=spec
    )


def _prometheus_args(fleet: Fleet) -> list[str]:
    monitoring = fleet.monitoring
    common = [
        "--config.file=/etc/prometheus/config/prometheus.yml",
        f"--web.listen-address=:{config.PROMETHEUS_PORT}",
    ]
    if monitoring.collector == "prometheus":
        retention = f"--storage.tsdb.retention.time={monitoring.retention_days}d"
        return [*common, "--storage.tsdb.path=/prometheus", retention]
    # The agent mode has its own flag since version 3.
    agent = (
        "--enable-feature=agent" if monitoring.prometheus_version.lstrip("v").startswith("2.") else "--agent"
    )
    return [*common, agent, "--storage.agent.path=/prometheus"]


def _container(
    name: str,
    image: str,
    args: list[str],
    port: tuple[str, int],
    *,
    requests: Labels,
    limits: Labels,
    probes: tuple[str, str],
) -> Json:
    """A container that may do nothing but run; `probes` are the paths for ready and alive."""
    ready, alive = ({"path": path, "port": port[0], "scheme": "HTTP"} for path in probes)
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": args,
        "ports": [{"name": port[0], "containerPort": port[1], "protocol": "TCP"}],
        "resources": {"requests": requests, "limits": limits},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
        },
        # Replaying a long write-ahead log takes minutes.
        "startupProbe": {"httpGet": ready, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 60},
        "livenessProbe": {"httpGet": alive, "periodSeconds": 30, "timeoutSeconds": 5, "failureThreshold": 6},
        "readinessProbe": {"httpGet": ready, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 3},
    }


def _pod(region: Region, container: Json, volumes: list[Json], *, account: str | None = None) -> Json:
    spec: Json = {
        "automountServiceAccountToken": account is not None,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": _UID,
            "runAsGroup": _UID,
            "fsGroup": _UID,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
    }
    if account is not None:
        spec["serviceAccountName"] = account
    if volumes:
        spec["volumes"] = volumes
    if region.cloud != "kubeconfig":
        # The system pool takes add-ons only; a watcher is small enough to live beside the validators.
        spec["nodeSelector"] = names.VALIDATOR_POOL_LABEL
        spec["tolerations"] = [
            {"key": names.VALIDATOR_POOL_TAINT, "operator": "Equal", "value": "true", "effect": "NoSchedule"}
        ]
    return spec


def _config_map(volume: str, name: str) -> Json:
    return {"name": volume, "configMap": {"name": name}}


def _add_secret(container: Json, volumes: list[Json], key: str) -> None:
    items = [{"key": key, "path": key}]
    volumes.append({"name": "credentials", "secret": {"secretName": CREDENTIALS, "items": items}})
    mount = {"name": "credentials", "mountPath": config.SECRETS_FOLDER, "readOnly": True}
    container["volumeMounts"] = [*container["volumeMounts"], mount]


def _templated(name: str, pod: Json, labels: Labels, checksum: str | None = None) -> Json:
    metadata: Json = {"labels": labels | selector(name)}
    if checksum is not None:
        metadata["annotations"] = {"chainfleet.io/config-checksum": checksum}
    return {"selector": {"matchLabels": selector(name)}, "template": {"metadata": metadata, "spec": pod}}


def _replicated(name: str, pod: Json, labels: Labels, checksum: str | None = None) -> Json:
    return {"replicas": 1, **_templated(name, pod, labels, checksum)}


def _workload(kind: str, name: str, labels: Labels, spec: Json) -> Manifest:
    return manifest(
        "apps/v1", kind, name, namespace=names.MONITORING_NAMESPACE, labels=labels | selector(name), spec=spec
    )

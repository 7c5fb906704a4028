"""The pod that a validator runs in: not root, nothing writable but its data, probes that can't deadlock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainfleet.drivers.kubernetes import names
from chainfleet.model.fleet import Fleet, Region

from .node_config import CONFIG_FILE, DATA_PATH, KEY_FILE

_BESU_UID = 1000
"""User and group `besu` of the image (its Dockerfile)."""
_GRACE_S = 180
"""Besu flushes RocksDB when it stops; a killed one recovers for minutes."""

# A key that isn't mounted makes Besu generate a new one and start as a stranger; refuse that here.
_CHECK_KEY = (
    f"test -s {KEY_FILE} || {{ echo 'no node key is mounted' >&2; exit 1; }}; "
    f"test -r {KEY_FILE} || {{ echo 'the node key is not readable by user '$(id -u) >&2; exit 1; }}; "
    f"grep -Eq '^(0x)?[0-9a-fA-F]{{64}}$' {KEY_FILE} || {{ echo 'the node key is malformed' >&2; exit 1; }}; "
    f"test \"$(grep -c '' {KEY_FILE})\" = 1 || {{ echo 'the node key has more than one line' >&2; exit 1; }}"
)


def pod_template(
    fleet: Fleet, region: Region, index: int, labels: Mapping[str, str], image: str, checksum: str
) -> dict[str, Any]:
    """Return the pod template of a validator.

    The checksum is that of everything Besu reads at start; a new one means that a restart is due.
    """
    spec: dict[str, Any] = {
        "serviceAccountName": names.SERVICE_ACCOUNT,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "priorityClassName": names.PRIORITY_CLASS,
        "terminationGracePeriodSeconds": _GRACE_S,
        "securityContext": _pod_security(),
        "affinity": {"podAntiAffinity": _apart()},
        "topologySpreadConstraints": [_over_zones()],
        "initContainers": [_key_check(fleet, image)],
        "containers": [_besu(fleet, image)],
        "volumes": _volumes(fleet, index),
    }
    if region.cloud != "kubeconfig":
        spec["nodeSelector"] = names.VALIDATOR_POOL_LABEL
        spec["tolerations"] = [
            {"key": names.VALIDATOR_POOL_TAINT, "operator": "Equal", "value": "true", "effect": "NoSchedule"}
        ]
    annotations = {"chainfleet.io/config-checksum": checksum}
    labels = dict(labels)
    if _in_vault(fleet):
        labels["azure.workload.identity/use"] = "true"
        # The CSI driver signs in for the pod. A token in the containers themselves would open the keys of the
        # region's other validators to whoever breaks into one.
        annotations["azure.workload.identity/skip-containers"] = "check-key;besu"
    return {"metadata": {"labels": labels, "annotations": annotations}, "spec": spec}


def _pod_security() -> dict[str, Any]:
    return {
        "runAsNonRoot": True,
        "runAsUser": _BESU_UID,
        "runAsGroup": _BESU_UID,
        "fsGroup": _BESU_UID,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _container_security() -> dict[str, Any]:
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
    }


def _apart() -> dict[str, Any]:
    selector = {"labelSelector": {"matchLabels": names.VALIDATOR_SELECTOR}}
    host = {**selector, "topologyKey": "kubernetes.io/hostname"}
    return {"requiredDuringSchedulingIgnoredDuringExecution": [host]}


def _over_zones() -> dict[str, Any]:
    # Not required: some regions have no zones, and a lost zone must not keep a validator from coming back.
    return {
        "maxSkew": 1,
        "topologyKey": "topology.kubernetes.io/zone",
        "whenUnsatisfiable": "ScheduleAnyway",
        "labelSelector": {"matchLabels": names.VALIDATOR_SELECTOR},
    }


def _key_check(fleet: Fleet, image: str) -> dict[str, Any]:
    return {
        "name": "check-key",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["/bin/sh", "-c", _CHECK_KEY],
        "securityContext": _container_security(),
        "resources": {
            "requests": {"cpu": "10m", "memory": "32Mi"},
            "limits": {"cpu": "100m", "memory": "64Mi"},
        },
        "volumeMounts": [{"name": _key_volume(fleet), "mountPath": "/secrets", "readOnly": True}],
    }


def _besu(fleet: Fleet, image: str) -> dict[str, Any]:
    network = fleet.network
    memory = quantity_mib(network.memory_gib)
    return {
        "name": "besu",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": [f"--config-file={CONFIG_FILE}"],
        "env": [
            {"name": "BESU_OPTS", "value": f"-Xmx{round(network.heap_gib * 1024)}m"},
            {"name": "BESU_PID_PATH", "value": "/tmp/besu.pid"},  # noqa: S108 - an emptyDir of the pod
        ],
        "ports": [
            {"name": "p2p", "containerPort": network.p2p_port, "protocol": "TCP"},
            *_discovery_port(fleet),
            {"name": "rpc", "containerPort": network.rpc_port, "protocol": "TCP"},
            {"name": "metrics", "containerPort": network.metrics_port, "protocol": "TCP"},
        ],
        # Twice the request in CPU: catching up and compaction burst, and throttled GC misses rounds.
        "resources": {
            "requests": {"cpu": quantity_cpu(network.cpu), "memory": memory},
            "limits": {"cpu": quantity_cpu(network.cpu * 2), "memory": memory},
        },
        "securityContext": _container_security(),
        **_probes(),
        "volumeMounts": [
            {"name": "data", "mountPath": DATA_PATH.rsplit("/", 1)[0]},
            {"name": "config", "mountPath": "/etc/besu/config", "readOnly": True},
            {"name": "genesis", "mountPath": "/etc/besu/genesis", "readOnly": True},
            {"name": "peers", "mountPath": "/etc/besu/peers", "readOnly": True},
            {"name": _key_volume(fleet), "mountPath": "/secrets", "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - an emptyDir of the pod
        ],
    }


def _discovery_port(fleet: Fleet) -> list[dict[str, Any]]:
    if not fleet.network.discovery:
        return []
    return [{"name": "discovery", "containerPort": fleet.network.p2p_port, "protocol": "UDP"}]


def _probes() -> dict[str, Any]:
    """Start and liveness ask only whether HTTP answers: a stalled chain must not restart its validators.

    Readiness asks for no peer either: the first validator of a network has none, and whoever starts
    validators one after another would wait for it without end. Peers are what verification and the
    alerts look at.
    """
    return {
        "startupProbe": {
            **_get("/liveness"),
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 90,
        },
        "livenessProbe": {
            **_get("/liveness"),
            "periodSeconds": 30,
            "timeoutSeconds": 10,
            "failureThreshold": 6,
        },
        "readinessProbe": {
            **_get("/readiness?minPeers=0&maxBlocksBehind=10"),
            "periodSeconds": 10,
            "timeoutSeconds": 5,
            "failureThreshold": 3,
        },
    }


def _get(path: str) -> dict[str, Any]:
    headers = [{"name": "Host", "value": "localhost"}]
    return {"httpGet": {"path": path, "port": "rpc", "scheme": "HTTP", "httpHeaders": headers}}


def _volumes(fleet: Fleet, index: int) -> list[dict[str, Any]]:
    config = {"name": "config", "configMap": {"name": names.config_map(index)}}
    genesis = {"name": "genesis", "configMap": {"name": names.GENESIS_CONFIG_MAP}}
    peers = {"name": "peers", "configMap": {"name": names.PEERS_CONFIG_MAP}}
    tmp = {"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}
    key = {"name": _key_volume(fleet), **_key_source(fleet, index)}
    # The last place is the one that a merge gives a volume which is new to a StatefulSet.
    return [config, genesis, peers, *((tmp, key) if _in_vault(fleet) else (key, tmp))]


def _in_vault(fleet: Fleet) -> bool:
    return fleet.network.node_keys == "vault"


def _key_volume(fleet: Fleet) -> str:
    # Names of their own: a volume that changes its kind under one name is merged, and may keep what the server had
    # added of the other kind; two kinds in one are refused.
    return "vault-key" if _in_vault(fleet) else "key"


def _key_source(fleet: Fleet, index: int) -> dict[str, Any]:
    if _in_vault(fleet):
        attributes = {"secretProviderClass": names.key_secret(index)}
        csi = {"driver": "secrets-store.csi.k8s.io", "readOnly": True, "volumeAttributes": attributes}
        return {"csi": csi}
    # Readable by the group besu, which fsGroup gives it to.
    return {"secret": {"secretName": names.key_secret(index), "defaultMode": 0o440}}


def quantity_cpu(cores: float) -> str:
    """Return cores as the API server writes them: `2` or `1500m`."""
    return str(int(cores)) if cores == int(cores) else f"{round(cores * 1000)}m"


def quantity_mib(gib: float) -> str:
    """Return GiB as the API server writes them: `8Gi` or `1536Mi`."""
    return f"{int(gib)}Gi" if gib == int(gib) else f"{round(gib * 1024)}Mi"

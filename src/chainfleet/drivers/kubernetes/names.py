"""Names of the objects that make up a region's network, and the labels they carry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Manifest = dict[str, Any]
"""One Kubernetes object, as the API takes it."""

NAMESPACE = "besu"
MONITORING_NAMESPACE = "monitoring"
SERVICE_ACCOUNT = "validator"
STORAGE_CLASS = "besu-data"
PRIORITY_CLASS = "besu-validator"
HEADLESS_SERVICE = "validators"
GENESIS_CONFIG_MAP = "besu-genesis"
PEERS_CONFIG_MAP = "besu-peers"

CLIENT_ID_ANNOTATION = "azure.workload.identity/client-id"
"""On a service account: the client id of the managed identity that it acts as; not the identity's resource id."""

FIELD_MANAGER = "chainfleet"
SCALE_MANAGER = "chainfleet-scale"
"""Owns `spec.replicas` once a validator was started, so that applying its configuration can't stop it."""

VALIDATOR_POOL_LABEL = {"chainfleet.io/pool": "validators"}
VALIDATOR_POOL_TAINT = "chainfleet.io/validators"


def validator(index: int) -> str:
    """Name of the StatefulSet and of the Service of a region's validator."""
    return f"validator-{index}"


def p2p_service(index: int) -> str:
    """Name of the Service that peers dial."""
    return f"validator-{index}-p2p"


def config_map(index: int) -> str:
    """Name of the ConfigMap with the validator's `config.toml`."""
    return f"validator-{index}-config"


def key_secret(index: int) -> str:
    """Name of the Secret with the validator's node key, or of the SecretProviderClass that gets it from a vault."""
    return f"validator-{index}-key"


def common_labels(fleet: str, region: str) -> dict[str, str]:
    """Labels of every object we make."""
    return {
        "app.kubernetes.io/managed-by": "chainfleet",
        "app.kubernetes.io/part-of": fleet,
        "chainfleet.io/region": region,
    }


def besu_labels(fleet: str, region: str, index: int | None = None) -> dict[str, str]:
    """Labels of a validator's objects, or of those all validators of a region share."""
    labels = common_labels(fleet, region) | VALIDATOR_SELECTOR
    return labels if index is None else labels | {"app.kubernetes.io/instance": validator(index)}


VALIDATOR_SELECTOR = {"app.kubernetes.io/name": "besu", "app.kubernetes.io/component": "validator"}
"""Selects the pods of all validators in a namespace."""


def selector_of(index: int) -> dict[str, str]:
    """Labels that select the pod of one validator."""
    return VALIDATOR_SELECTOR | {"app.kubernetes.io/instance": validator(index)}


def manifest(
    api_version: str,
    kind: str,
    name: str,
    *,
    namespace: str | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    **body: Any,
) -> Manifest:
    """Return an object with the usual head; absent parts of the head are left out."""
    metadata: dict[str, Any] = {"name": name}
    if namespace is not None:
        metadata["namespace"] = namespace
    if labels:
        metadata["labels"] = dict(labels)
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **body}

"""How lists and maps merge: which lists are maps by key, which are sets, and what is replaced whole.

Kubernetes writes this into its types (`x-kubernetes-list-map-keys`, `x-kubernetes-map-type`, and
`x-kubernetes-patch-merge-key` for strategic merge). The names below are those of the kinds served here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Path = tuple[str, ...]
"""Field names from the root; list items add nothing."""

_NAME = ("name",)

_BY_FIELD: Mapping[str, tuple[str, ...]] = {
    "containers": _NAME,
    "initContainers": _NAME,
    "ephemeralContainers": _NAME,
    "volumes": _NAME,
    "env": _NAME,
    "imagePullSecrets": _NAME,
    "resourceClaims": _NAME,
    "schedulingGates": _NAME,
    "secrets": _NAME,
    "webhooks": _NAME,
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "hostAliases": ("ip",),
    "podIPs": ("ip",),
    "ownerReferences": ("uid",),
    "conditions": ("type",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "resizePolicy": ("resourceName",),
}
_SETS = frozenset({"finalizers"})
_ATOMIC_MAPS = frozenset(
    {
        "selector",
        "labelSelector",
        "podSelector",
        "namespaceSelector",
        "nodeSelector",
        "objectSelector",
        "configMapKeyRef",
        "secretKeyRef",
        "fieldRef",
        "resourceFieldRef",
        "claimRef",
        "roleRef",
        "scaleTargetRef",
        "parameters",
    }
)
_KEY_DEFAULTS = {"protocol": "TCP"}
# Strategic merge knows only one key where server-side apply knows two.
_STRATEGIC: Mapping[tuple[str, ...], str] = {
    ("containerPort", "protocol"): "containerPort",
    ("port", "protocol"): "port",
    ("topologyKey", "whenUnsatisfiable"): "topologyKey",
}


def list_keys(path: Path, custom: bool) -> tuple[str, ...] | None:  # noqa: FBT001 - a property of the kind
    """The keys of a list that merges like a map; None for a list that doesn't."""
    field = path[-1]
    if custom:
        return ("uid",) if field == "ownerReferences" else None
    if field == "ports":
        if len(path) > 1 and path[-2] in ("containers", "initContainers"):
            return ("containerPort", "protocol")
        return ("port", "protocol") if path == ("spec", "ports") else None
    return _BY_FIELD.get(field)


def is_set(path: Path) -> bool:
    """Whether a list of scalars merges like a set."""
    return path[-1] in _SETS


def is_atomic_map(path: Path, custom: bool) -> bool:  # noqa: FBT001 - a property of the kind
    """Whether a map is replaced whole."""
    return not custom and path[-1] in _ATOMIC_MAPS


def key_of(item: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    """The key of a list item as managed fields write it: `k:{"name":"besu"}`."""
    found = {k: item.get(k, _KEY_DEFAULTS.get(k)) for k in sorted(keys)}
    return "k:" + json.dumps({k: v for k, v in found.items() if v is not None}, separators=(",", ":"))


def strategic_key(path: Path) -> str | None:
    """The merge key that strategic merge uses for a list; None if it replaces it."""
    keys = list_keys(path, custom=False)
    if keys is None:
        return None
    return _STRATEGIC.get(keys, keys[0])

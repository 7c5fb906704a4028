"""The kinds of objects we handle, as resources of the client library.

Generic resources keep objects as plain data, which is what rendering makes and comparing needs.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from chainfleet.model.errors import ErrorClass, TaskFailed

_PLURALS: dict[tuple[str, str], tuple[str, bool]] = {
    ("v1", "Namespace"): ("namespaces", False),
    ("v1", "Node"): ("nodes", False),
    ("v1", "ServiceAccount"): ("serviceaccounts", True),
    ("v1", "ConfigMap"): ("configmaps", True),
    ("v1", "Secret"): ("secrets", True),
    ("v1", "Service"): ("services", True),
    ("v1", "Pod"): ("pods", True),
    ("v1", "PersistentVolumeClaim"): ("persistentvolumeclaims", True),
    ("apps/v1", "StatefulSet"): ("statefulsets", True),
    ("apps/v1", "Deployment"): ("deployments", True),
    ("policy/v1", "PodDisruptionBudget"): ("poddisruptionbudgets", True),
    ("networking.k8s.io/v1", "NetworkPolicy"): ("networkpolicies", True),
    ("storage.k8s.io/v1", "StorageClass"): ("storageclasses", False),
    ("scheduling.k8s.io/v1", "PriorityClass"): ("priorityclasses", False),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"): ("clusterroles", False),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): ("clusterrolebindings", False),
    ("rbac.authorization.k8s.io/v1", "Role"): ("roles", True),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): ("rolebindings", True),
}

API_VERSIONS = {kind: version for version, kind in _PLURALS}
"""API version of each kind."""


def is_namespaced(api_version: str, kind: str) -> bool:
    """Whether objects of that kind live in a namespace."""
    return _entry(api_version, kind)[1]


@cache
def resource(api_version: str, kind: str) -> Any:
    """Return the client library's class for a kind; objects of it are plain dictionaries."""
    from lightkube.core.resource import GlobalResource, NamespacedResourceG
    from lightkube.generic_resource import Generic, create_api_info

    plural, namespaced = _entry(api_version, kind)
    group, _, version = api_version.rpartition("/")
    base = NamespacedResourceG if namespaced else GlobalResource
    # Not registered with the library: its registry is for code that looks resources up by name.
    return type(kind, (base, Generic), {"_api_info": create_api_info(group, version, kind, plural)})


def _entry(api_version: str, kind: str) -> tuple[str, bool]:
    try:
        return _PLURALS[api_version, kind]
    except KeyError:
        raise TaskFailed(
            ErrorClass.INTERNAL, f"objects of kind {api_version} {kind} are not handled"
        ) from None

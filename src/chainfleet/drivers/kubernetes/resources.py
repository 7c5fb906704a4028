"""The kinds of objects we handle, as resources of the client library.

Generic resources keep objects as plain data, which is what rendering makes and comparing needs.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
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
    ("v1", "Event"): ("events", True),
    ("v1", "PersistentVolumeClaim"): ("persistentvolumeclaims", True),
    ("apps/v1", "StatefulSet"): ("statefulsets", True),
    ("apps/v1", "Deployment"): ("deployments", True),
    ("apps/v1", "DaemonSet"): ("daemonsets", True),
    ("policy/v1", "PodDisruptionBudget"): ("poddisruptionbudgets", True),
    ("networking.k8s.io/v1", "NetworkPolicy"): ("networkpolicies", True),
    ("storage.k8s.io/v1", "StorageClass"): ("storageclasses", False),
    ("scheduling.k8s.io/v1", "PriorityClass"): ("priorityclasses", False),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"): ("clusterroles", False),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"): ("clusterrolebindings", False),
    ("rbac.authorization.k8s.io/v1", "Role"): ("roles", True),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"): ("rolebindings", True),
    ("secrets-store.csi.x-k8s.io/v1", "SecretProviderClass"): ("secretproviderclasses", True),
}

_VERBS = ("delete", "get", "list", "patch", "watch")

API_VERSIONS = {kind: version for version, kind in _PLURALS}
"""API version of each kind."""


def is_namespaced(api_version: str, kind: str) -> bool:
    """Whether objects of that kind live in a namespace."""
    return _entry(api_version, kind)[1]


@cache
def resource(api_version: str, kind: str) -> Any:
    """Return the client library's class for a kind; objects of it are plain dictionaries."""
    # Not the library's own generic resources: those are registered for look-ups by name, and importing
    # them brings in the models of all custom resources.
    from lightkube.core.resource import ApiInfo, GlobalResource, NamespacedResourceG, ResourceDef

    plural, namespaced = _entry(api_version, kind)
    group, _, version = api_version.rpartition("/")
    info = ApiInfo(resource=ResourceDef(group, version, kind), plural=plural, verbs=list(_VERBS))
    base = NamespacedResourceG if namespaced else GlobalResource
    return type(kind, (base, _Plain), {"_api_info": info})


class _Plain(dict[str, Any]):
    """An object as plain data, with the one attribute that the library reads from watched objects."""

    @property
    def metadata(self) -> SimpleNamespace:
        """Its metadata, by attribute."""
        return SimpleNamespace(**self["metadata"])


def _entry(api_version: str, kind: str) -> tuple[str, bool]:
    try:
        return _PLURALS[api_version, kind]
    except KeyError:
        raise TaskFailed(
            ErrorClass.INTERNAL, f"objects of kind {api_version} {kind} are not handled"
        ) from None

"""The resources that an emulated API server knows, as its discovery lists them.

The table follows what Kubernetes 1.34 serves by default, cut down to what deployments of a blockchain
network and its monitoring use. Custom resources are added at run time by `Kinds.add`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Kind:
    """One resource of the API.

    Attributes:
        group: API group; "" is the core group.
        version: served version.
        kind: name of the kind, e.g. `StatefulSet`.
        plural: name in paths, e.g. `statefulsets`.
        namespaced: whether its objects live in a namespace.
        short: short names for kubectl.
        subresources: names of the subresources.
        categories: groups of resources that kubectl knows, e.g. `all`.
        model: module of lightkube's models that describes it; "" for custom resources.
        verbs: what clients may do; empty is everything.
    """

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    model: str = ""
    verbs: tuple[str, ...] = VERBS

    @property
    def api_version(self) -> str:
        """`group/version`, or the bare version in the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def id(self) -> str:
        """What the store keeps its objects under: independent of the version."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def singular(self) -> str:
        """Lower-case name of one."""
        return self.kind.lower()

    @property
    def has_status(self) -> bool:
        """Whether `status` is written through a subresource only."""
        return "status" in self.subresources


_ALL = ("all",)
_STATUS = ("status",)
_SCALED = ("status", "scale")


_core = partial(Kind, "", "v1", model="core_v1")


_CREATE_ONLY = ("create",)

BUILT_IN: tuple[Kind, ...] = (
    _core("Namespace", "namespaces", namespaced=False, short=("ns",), subresources=("status", "finalize")),
    _core("Node", "nodes", namespaced=False, short=("no",), subresources=("status", "proxy")),
    _core("PersistentVolume", "persistentvolumes", namespaced=False, short=("pv",), subresources=_STATUS),
    _core("PersistentVolumeClaim", "persistentvolumeclaims", short=("pvc",), subresources=_STATUS),
    _core(
        "Pod",
        "pods",
        short=("po",),
        subresources=("status", "log", "proxy", "exec", "eviction"),
        categories=_ALL,
    ),
    _core("Service", "services", short=("svc",), subresources=("status", "proxy"), categories=_ALL),
    _core("Endpoints", "endpoints", short=("ep",)),
    _core("ConfigMap", "configmaps", short=("cm",)),
    _core("Secret", "secrets"),
    _core("ServiceAccount", "serviceaccounts", short=("sa",), subresources=("token",)),
    _core("Event", "events", short=("ev",)),
    _core("LimitRange", "limitranges", short=("limits",)),
    _core("ResourceQuota", "resourcequotas", short=("quota",), subresources=_STATUS),
    _core("ReplicationController", "replicationcontrollers", short=("rc",), subresources=_SCALED),
    Kind("apps", "v1", "StatefulSet", "statefulsets", True, ("sts",), _SCALED, _ALL, "apps_v1"),
    Kind("apps", "v1", "Deployment", "deployments", True, ("deploy",), _SCALED, _ALL, "apps_v1"),
    Kind("apps", "v1", "ReplicaSet", "replicasets", True, ("rs",), _SCALED, _ALL, "apps_v1"),
    Kind("apps", "v1", "DaemonSet", "daemonsets", True, ("ds",), _STATUS, _ALL, "apps_v1"),
    Kind("apps", "v1", "ControllerRevision", "controllerrevisions", model="apps_v1"),
    Kind("batch", "v1", "Job", "jobs", True, (), _STATUS, _ALL, "batch_v1"),
    Kind("batch", "v1", "CronJob", "cronjobs", True, ("cj",), _STATUS, _ALL, "batch_v1"),
    Kind(
        "autoscaling",
        "v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        True,
        ("hpa",),
        _STATUS,
        _ALL,
        "autoscaling_v2",
    ),
    Kind(
        "policy",
        "v1",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        True,
        ("pdb",),
        _STATUS,
        (),
        "policy_v1",
    ),
    Kind(
        "networking.k8s.io",
        "v1",
        "NetworkPolicy",
        "networkpolicies",
        True,
        ("netpol",),
        (),
        (),
        "networking_v1",
    ),
    Kind("networking.k8s.io", "v1", "Ingress", "ingresses", True, ("ing",), _STATUS, (), "networking_v1"),
    Kind("networking.k8s.io", "v1", "IngressClass", "ingressclasses", False, (), (), (), "networking_v1"),
    Kind("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", True, (), (), (), "discovery_v1"),
    Kind("storage.k8s.io", "v1", "StorageClass", "storageclasses", False, ("sc",), (), (), "storage_v1"),
    Kind("storage.k8s.io", "v1", "CSIDriver", "csidrivers", False, (), (), (), "storage_v1"),
    Kind(
        "scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", False, ("pc",), (), (), "scheduling_v1"
    ),
    Kind("rbac.authorization.k8s.io", "v1", "Role", "roles", True, (), (), (), "rbac_v1"),
    Kind("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", True, (), (), (), "rbac_v1"),
    Kind("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", False, (), (), (), "rbac_v1"),
    Kind(
        "rbac.authorization.k8s.io",
        "v1",
        "ClusterRoleBinding",
        "clusterrolebindings",
        False,
        (),
        (),
        (),
        "rbac_v1",
    ),
    Kind("coordination.k8s.io", "v1", "Lease", "leases", True, (), (), (), "coordination_v1"),
    Kind(
        "admissionregistration.k8s.io",
        "v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        False,
        model="admissionregistration_v1",
    ),
    Kind(
        "admissionregistration.k8s.io",
        "v1",
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        False,
        model="admissionregistration_v1",
    ),
    Kind(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        False,
        ("crd", "crds"),
        _STATUS,
        ("api-extensions",),
        "apiextensions_v1",
    ),
    Kind(
        "authorization.k8s.io",
        "v1",
        "SelfSubjectAccessReview",
        "selfsubjectaccessreviews",
        False,
        model="authorization_v1",
        verbs=_CREATE_ONLY,
    ),
    Kind(
        "authentication.k8s.io",
        "v1",
        "SelfSubjectReview",
        "selfsubjectreviews",
        False,
        model="authentication_v1",
        verbs=_CREATE_ONLY,
    ),
    # Managed clusters with the secrets-store add-on serve this custom resource from the start.
    Kind("secrets-store.csi.x-k8s.io", "v1", "SecretProviderClass", "secretproviderclasses", categories=()),
)


class Kinds:
    """The resources of one cluster: the built-in ones and those that its CRDs add."""

    def __init__(self) -> None:
        self._by_path = {(k.group, k.version, k.plural): k for k in BUILT_IN}
        self._by_kind = {(k.group, k.kind): k for k in BUILT_IN}
        self._by_id = {k.id: k for k in BUILT_IN}

    def add(self, kind: Kind) -> None:
        """Serve a custom resource."""
        self._by_path[kind.group, kind.version, kind.plural] = kind
        self._by_kind[kind.group, kind.kind] = kind
        self._by_id[kind.id] = kind

    def remove(self, group: str, plural: str) -> None:
        """Stop serving a custom resource."""
        for path in [p for p in self._by_path if p[0] == group and p[2] == plural]:
            kind = self._by_path.pop(path)
            self._by_kind.pop((kind.group, kind.kind), None)
            self._by_id.pop(kind.id, None)

    def at(self, group: str, version: str, plural: str) -> Kind | None:
        """The resource that a path names."""
        return self._by_path.get((group, version, plural))

    def named(self, kind: str, group: str = "") -> Kind:
        """The kind of that name.

        Raises:
            KeyError: it isn't served.
        """
        return self._by_kind[group, kind]

    def by_id(self, kind_id: str) -> Kind | None:
        """The resource whose objects are stored under that id."""
        return self._by_id.get(kind_id)

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._by_path.values())

    def groups(self) -> dict[str, list[str]]:
        """Group → its served versions, the core group left out."""
        found: dict[str, list[str]] = {}
        for kind in self:
            versions = found.setdefault(kind.group, [])
            if kind.version not in versions:
                versions.append(kind.version)
        found.pop("", None)
        return found


def core(kind: str) -> Kind:
    """A built-in kind of any group by its name, for controllers."""
    return _BY_NAME[kind]


_BY_NAME = {k.kind: k for k in BUILT_IN}

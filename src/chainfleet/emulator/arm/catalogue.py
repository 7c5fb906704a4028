"""Which resource types there are, and in which providers' namespaces others are taken as generic ones."""

from __future__ import annotations

from .errors import ArmError
from .kinds import Kind
from .kinds_containers import AgentPool, ManagedCluster
from .kinds_network import PublicIp, SecurityGroup, SecurityRule, Subnet, VirtualNetwork
from .kinds_other import (
    FederatedCredential,
    Held,
    KeyVault,
    ResourceGroup,
    RoleAssignment,
    UserAssignedIdentity,
    Workspace,
)
from .resources import Store

NAMESPACES = (
    "Microsoft.Authorization",
    "Microsoft.Compute",
    "Microsoft.ContainerService",
    "Microsoft.Insights",
    "Microsoft.KeyVault",
    "Microsoft.ManagedIdentity",
    "Microsoft.Network",
    "Microsoft.OperationalInsights",
    "Microsoft.ResourceGraph",
    "Microsoft.Resources",
    "Microsoft.Storage",
)
REGISTERED = frozenset(NAMESPACES) - {"Microsoft.Storage"}


class Catalogue:
    """Finds the kind of a resource type; types without a class of their own get the generic one."""

    def __init__(self) -> None:
        known = [
            ResourceGroup(),
            VirtualNetwork(),
            Subnet(),
            SecurityGroup(),
            SecurityRule(),
            PublicIp(),
            UserAssignedIdentity(),
            FederatedCredential(),
            ManagedCluster(),
            AgentPool(),
            Held("Microsoft.ContainerService/managedClusters/maintenanceConfigurations"),
            Held("Microsoft.Authorization/locks"),
            Held("Microsoft.Insights/diagnosticSettings"),
            KeyVault(),
            RoleAssignment(),
            Workspace(),
        ]
        self._kinds = {kind.type.lower(): kind for kind in known}
        self._namespaces = {name.lower(): name for name in NAMESPACES}

    def find(self, type_name: str) -> Kind:
        """The kind of a type, in any case.

        Raises:
            ArmError: 404 `InvalidResourceNamespace`.
        """
        kind = self._kinds.get(type_name.lower())
        if kind is None:
            given, _, rest = type_name.partition("/")
            namespace = self._namespaces.get(given.lower())
            if namespace is None:
                raise ArmError(
                    404, "InvalidResourceNamespace", f"The resource namespace '{given}' is invalid."
                )
            kind = self._kinds[type_name.lower()] = Kind(f"{namespace}/{rest}")
        return kind

    def show_in(self, store: Store) -> None:
        """Tell the store which nested resources their parents show."""
        for kind in list(self._kinds.values()):
            for inline in kind.inline:
                store.show_inline(f"{kind.type}/{inline.kind}", inline.prop, flat=inline.flat)

    def types(self, namespace: str) -> list[str]:
        """Types of a namespace that have rules of their own, without the namespace."""
        start = namespace.lower() + "/"
        return sorted(kind.type[len(start) :] for name, kind in self._kinds.items() if name.startswith(start))

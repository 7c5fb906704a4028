"""Microsoft.ContainerService: managed clusters and their node pools."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, ClassVar

from chainfleet.emulator.seams import ClusterSpec, NodePool

from .bodies import Json, value_at
from .compute import CLUSTER, POOL, SIZES
from .durations import Duration
from .errors import bad_request
from .kinds import Draft, Inline, Kind

if TYPE_CHECKING:
    from .resources import Resource
    from .world import World

VERSIONS = {"1.32": "1.32.9", "1.33": "1.33.5", "1.34": "1.34.1", "1.35": "1.35.0", "1.36": "1.36.0"}
DEFAULT_VERSION = "1.34"
_POOL_NAME = re.compile(r"^[a-z][a-z0-9]{0,11}$")


class _Containers(Kind):
    busy_code: ClassVar[str] = "OperationNotAllowed"
    operation_version: ClassVar[str] = "2016-03-30"
    creating: ClassVar[str] = "Creating"
    updating: ClassVar[str] = "Updating"

    def busy_message(self, resource: Resource) -> str:
        """AKS names the operation in progress."""
        thing = "managed cluster" if resource.type == CLUSTER else f"agent pool {resource.id.name}"
        return (
            f"Operation is not allowed because there's an in progress {resource.state.lower()} "
            "operation on the "
            f"{thing}. Please wait for it to finish before starting a new operation. "
            "See https://aka.ms/aks-pending-operation for more details"
        )


class ManagedCluster(_Containers):
    """Microsoft.ContainerService/managedClusters."""

    type = CLUSTER
    create = Duration(282.0, 0.35)
    update = Duration(90.0, 0.3)
    delete = Duration(240.0, 0.3)
    needs_location = True
    inline = (Inline("agentPoolProfiles", "agentPools", flat=True, replaces=False),)

    def check(self, draft: Draft, world: World) -> None:
        """AKS's rules for what is used here, identities, version and quotas."""
        if not (draft.prop("dnsPrefix") or draft.prop("fqdnSubdomain")):
            raise bad_request(
                "InvalidParameter", "Required parameter dnsPrefix is missing (null).", "dnsPrefix"
            )
        if not (draft.wanted.get("identity") or draft.prop("servicePrincipalProfile")):
            raise bad_request(
                "InvalidParameter",
                "Provisioning of resource(s) needs an identity or servicePrincipalProfile.",
            )
        version = draft.prop("kubernetesVersion")
        if version is not None and _full_version(str(version)) is None:
            raise bad_request(
                "K8sVersionNotSupported",
                f"Managed cluster {draft.id.name} is on version {version} which is not supported in "
                "this region. "
                f"Please use [az aks get-versions] command to get the supported version list in this region.",
            )
        self._check_identities(draft, world)
        if draft.current is None:
            self._check_pools(draft)
            self._check_quota(draft, world)

    @staticmethod
    def _check_identities(draft: Draft, world: World) -> None:
        for identity in value_at(draft.wanted, "identity.userAssignedIdentities") or {}:
            if world.by_id(identity) is None:
                raise bad_request(
                    "FailedIdentityOperation",
                    f"Identity operation for resource '{draft.id.text}' failed with error 'Failed to perform "
                    f"resource identity operation. Status: 'NotFound'. Response: identity {identity} "
                    "not found'.",
                )

    @staticmethod
    def _check_pools(draft: Draft) -> None:
        pools = draft.prop("agentPoolProfiles")
        if not isinstance(pools, list) or not pools:
            raise bad_request(
                "InvalidParameter",
                "Required parameter agentPoolProfiles is missing (null).",
                "agentPoolProfiles",
            )
        if not any(pool.get("mode") == "System" for pool in pools):
            raise bad_request(
                "InvalidParameter", "Must define at least one system pool.", "agentPoolProfiles.mode"
            )

    @staticmethod
    def _check_quota(draft: Draft, world: World) -> None:
        limit = world.quotas.limit(draft.location, "managedClusters")
        if world.quotas.count(draft.location, CLUSTER) >= limit:
            raise bad_request(
                "ManagedClusterCountExceedsQuotaLimit",
                f"Managed cluster count exceeds quota limit of {limit} in location {draft.location}.",
            )

    def computed(self, draft: Draft, world: World) -> Json:
        """Names, identities, the OIDC issuer and AKS's defaults."""
        prefix = draft.prop("dnsPrefix") or draft.prop("fqdnSubdomain")
        host = f"{prefix}-{world.uuid('fqdn', draft.id.key)[:8]}.hcp.{draft.location}.azmk8s.io"
        version = str(draft.prop("kubernetesVersion") or DEFAULT_VERSION)
        group = f"MC_{draft.id.group}_{draft.id.name}_{draft.location}"[:80]
        properties: Json = {
            "powerState": {"code": "Running"},
            "kubernetesVersion": version,
            "currentKubernetesVersion": _full_version(version),
            "fqdn": host,
            "azurePortalFQDN": host.replace(".hcp.", ".portal.hcp."),
            "nodeResourceGroup": draft.prop("nodeResourceGroup") or group,
            "maxAgentPools": 100,
            "enableRBAC": draft.prop("enableRBAC") is not False,
            "supportPlan": draft.prop("supportPlan") or "KubernetesOfficial",
            "resourceUID": world.uuid("aks", draft.id.key).replace("-", "")[:24],
            "identityProfile": {"kubeletidentity": self._kubelet(draft, world, group)},
        }
        if draft.prop("oidcIssuerProfile.enabled"):
            issuer = world.uuid("oidc", draft.id.key)
            tenant = world.directory.tenant_id
            properties["oidcIssuerProfile"] = {
                "issuerURL": f"https://{draft.location}.oic.prod-aks.azure.com/{tenant}/{issuer}/"
            }
        computed: Json = {"properties": properties}
        identity = _identity(draft, world)
        if identity:
            computed["identity"] = identity
        sku = draft.wanted.get("sku") or {}
        computed["sku"] = {"name": sku.get("name") or "Base", "tier": sku.get("tier") or "Free"}
        return computed

    @staticmethod
    def _kubelet(draft: Draft, world: World, group: str) -> Json:
        subscription = draft.id.subscription
        return {
            "resourceId": f"/subscriptions/{subscription}/resourcegroups/{group}/providers/"
            f"Microsoft.ManagedIdentity/userAssignedIdentities/{draft.id.name}-agentpool",
            "clientId": world.uuid("kubelet-client", draft.id.key),
            "objectId": world.uuid("kubelet-object", draft.id.key),
        }

    async def arrived(self, resource: Resource, world: World) -> None:
        """Open the cluster's Kubernetes API and tell it its nodes."""
        world.endpoints[resource.key] = await world.clusters.open(cluster_spec(resource))
        await tell_nodes(resource, world)

    async def gone(self, resource: Resource, world: World) -> None:
        """Close the cluster's Kubernetes API."""
        world.endpoints.pop(resource.key, None)
        await world.clusters.close(resource.id.text)


class AgentPool(_Containers):
    """Microsoft.ContainerService/managedClusters/agentPools."""

    type = POOL
    create = Duration(150.0, 0.3)
    update = Duration(60.0, 0.3)
    delete = Duration(120.0, 0.3)

    def check(self, draft: Draft, world: World) -> None:
        """Name, VM size, subnet and the two tiers of vCPU quota."""
        name = draft.id.name
        if not _POOL_NAME.match(name):
            raise bad_request(
                "InvalidParameter",
                f"The value of parameter agentPoolProfile.name is invalid: '{name}'. A node pool "
                "name may only "
                "contain lowercase letters and numbers, begins with a letter and has at most 12 of them.",
            )
        size = SIZES.get(str(draft.prop("vmSize")).lower())
        if size is None:
            raise bad_request(
                "VMSizeNotSupported",
                f"The VM size of {draft.prop('vmSize')} is not allowed in your subscription in location "
                f"'{draft.location}'. For more details, please visit https://aka.ms/cpu-quota",
            )
        for path in ("vnetSubnetID", "podSubnetID"):
            subnet = draft.prop(path)
            if subnet is not None and world.by_id(subnet) is None:
                raise bad_request(
                    "InvalidParameter", f"The value of parameter {path} is invalid: {subnet} not found."
                )
        self._check_quota(draft, world, size.family, size.vcpus)

    @staticmethod
    def _check_quota(draft: Draft, world: World, family: str, vcpus: int) -> None:
        count = draft.prop("count")
        wanted = vcpus * (count if isinstance(count, int) else 1)
        for label, name, key in (("regional", "cores", ""), (f"{family}", family, family)):
            left = world.quotas.limit(draft.location, name) - world.quotas.cores(
                draft.location, key, without=draft.id.key
            )
            if wanted > left:
                raise bad_request(
                    "ErrCode_InsufficientVCPUQuota",
                    f"Insufficient {label} vcpu quota left for location {draft.location}. "
                    f"left {label} vcpu quota {max(0, left)}, requested quota {wanted}.",
                )

    def computed(self, draft: Draft, world: World) -> Json:
        """AKS's defaults for a node pool."""
        cluster = world.store.get(draft.id.parent)
        version = value_at(cluster.computed, "properties.kubernetesVersion") if cluster else DEFAULT_VERSION
        wanted = str(draft.prop("orchestratorVersion") or version)
        return {
            "properties": {
                "count": draft.prop("count") or 1,
                "orchestratorVersion": wanted,
                "currentOrchestratorVersion": _full_version(wanted) or wanted,
                "powerState": {"code": "Running"},
                "mode": draft.prop("mode") or "User",
                "osType": draft.prop("osType") or "Linux",
                "osDiskSizeGB": draft.prop("osDiskSizeGB") or 128,
                "maxPods": draft.prop("maxPods") or 110,
                "type": draft.prop("type") or "VirtualMachineScaleSets",
                "nodeImageVersion": "AKSUbuntu-2204gen2containerd-202610.13.0",
            }
        }

    def busy_with(self, resource: Resource, world: World) -> Resource | None:
        """A change of the cluster locks its pools."""
        cluster = world.store.get(resource.id.parent)
        return next((r for r in (resource, cluster) if r is not None and r.busy), None)

    def may_create(self, draft: Draft, world: World) -> Resource | None:
        """A change of the cluster locks its pools."""
        cluster = world.store.get(draft.id.parent)
        return cluster if cluster is not None and cluster.busy else None

    def may_delete(self, resource: Resource, world: World) -> None:
        """The last system pool stays."""
        pools = world.store.children(resource.id.parent, POOL)
        system = [p for p in pools if value_at(p.computed, "properties.mode") == "System"]
        if system == [resource]:
            raise bad_request("OperationNotAllowed", "There has to be at least one system agent pool.")

    async def arrived(self, resource: Resource, world: World) -> None:
        """Tell the cluster its nodes."""
        cluster = world.store.get(resource.id.parent)
        if cluster is not None and not cluster.busy:
            await tell_nodes(cluster, world, arriving=resource)

    async def gone(self, resource: Resource, world: World) -> None:
        """Tell the cluster its nodes."""
        await self.arrived(resource, world)


def _full_version(version: str) -> str | None:
    if version in VERSIONS:
        return VERSIONS[version]
    return version if version in VERSIONS.values() else None


def _identity(draft: Draft, world: World) -> Json | None:
    identity: Any = draft.wanted.get("identity")
    if not identity:
        return None
    tenant = {"tenantId": world.directory.tenant_id}
    if identity.get("type") == "SystemAssigned":
        return {**tenant, "principalId": world.uuid("aks-identity", draft.id.key)}
    known = {}
    for key in identity.get("userAssignedIdentities") or {}:
        found = world.by_id(key)
        props = found.computed.get("properties", {}) if found else {}
        known[key] = {"clientId": props.get("clientId"), "principalId": props.get("principalId")}
    return {"userAssignedIdentities": known}


def cluster_spec(resource: Resource) -> ClusterSpec:
    """What the Kubernetes side is told about a cluster."""
    return ClusterSpec(
        id=resource.id.text,
        name=resource.id.name,
        region=resource.location,
        resource_group=resource.id.group,
        kubernetes_version=str(value_at(resource.computed, "properties.kubernetesVersion")),
    )


async def tell_nodes(cluster: Resource, world: World, arriving: Resource | None = None) -> None:
    """Tell the Kubernetes side which nodes a cluster's pools have."""
    # Pools that are only being made have no node yet; those that come with the cluster arrive with it.
    pools = {
        pool.id.name: _nodes(pool)
        for pool in world.store.children(cluster.key, POOL)
        if pool.state in ("Succeeded", "Updating")
        or pool is arriving
        or pool.operation == cluster.operation != ""
    }
    await world.clusters.set_nodes(cluster.id.text, pools)


def _nodes(pool: Resource) -> NodePool:
    wanted = pool.desired.get("properties", {})
    return NodePool(
        count=int(value_at(pool.computed, "properties.count") or 1),
        labels=dict(wanted.get("nodeLabels") or {}),
        taints=tuple(wanted.get("nodeTaints") or ()),
    )

"""Microsoft.Network: virtual networks, subnets, security groups, public IP addresses."""

# ruff: noqa: ARG002 - hooks of `Kind`
from __future__ import annotations

import json
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, ClassVar

from .bodies import Json, value_at
from .durations import Duration
from .errors import ArmError, bad_request
from .kinds import Draft, Inline, Kind

if TYPE_CHECKING:
    from .resources import Resource
    from .world import World

VNET = "Microsoft.Network/virtualNetworks"
SUBNET = f"{VNET}/subnets"
NSG = "Microsoft.Network/networkSecurityGroups"
RULE = f"{NSG}/securityRules"
PUBLIC_IP = "Microsoft.Network/publicIPAddresses"


class _Network(Kind):
    """What network resources have in common."""

    has_etag: ClassVar[bool] = True
    in_use_code: ClassVar[str] = ""

    def may_delete(self, resource: Resource, world: World) -> None:
        """Refuse while another resource refers to it or to something nested in it."""
        keys = [resource.key, *(child.key for child in world.store.below(resource.key))]
        for other in world.store:
            if other.key in keys or other.id.parent in keys or other.key == resource.id.parent:
                continue
            text = json.dumps(other.desired).lower()
            for key in keys:
                if f'"{key}"' in text:
                    raise bad_request(
                        self.in_use_code,
                        f"{self.type.rsplit('/', 1)[1]} {resource.id.name} is in use by {other.id.text} "
                        "and cannot be deleted.",
                    )


def _networks(values: object, path: str) -> list[IPv4Network]:
    networks = []
    for value in values if isinstance(values, list) else [values]:
        try:
            networks.append(IPv4Network(str(value)))
        except ValueError as error:
            raise bad_request(
                "InvalidAddressPrefixFormat",
                f"Address prefix {value} of resource {path} is not formatted correctly ({error}). "
                "It should follow CIDR notation, for example 10.0.0.0/24.",
            ) from error
    return networks


class VirtualNetwork(_Network):
    """Microsoft.Network/virtualNetworks."""

    type = VNET
    create = Duration(6.0, 0.2)
    delete = Duration(11.0, 0.2)
    required = ("properties.addressSpace.addressPrefixes",)
    needs_location = True
    inline = (Inline("subnets", "subnets"),)
    in_use_code = "InUseSubnetCannotBeDeleted"

    def check(self, draft: Draft, world: World) -> None:
        """Address prefixes are networks."""
        _networks(draft.prop("addressSpace.addressPrefixes"), draft.id.text)

    def computed(self, draft: Draft, world: World) -> Json:
        """Its GUID and defaults."""
        return {
            "properties": {
                "resourceGuid": world.uuid("vnet", draft.id.key),
                "virtualNetworkPeerings": [],
                "enableDdosProtection": bool(draft.prop("enableDdosProtection")),
            }
        }

    def busy_with(self, resource: Resource, world: World) -> Resource | None:
        """A virtual network is locked while one of its subnets changes."""
        return next((r for r in [resource, *world.store.children(resource.key)] if r.busy), None)


class Subnet(_Network):
    """Microsoft.Network/virtualNetworks/subnets."""

    type = SUBNET
    create = Duration(5.0, 0.2)
    delete = Duration(11.0, 0.2)
    in_use_code = "InUseSubnetCannotBeDeleted"

    def check(self, draft: Draft, world: World) -> None:
        """Its prefix lies inside the virtual network and overlaps no other subnet."""
        given = draft.prop("addressPrefix") or draft.prop("addressPrefixes")
        if not given:
            raise bad_request("InvalidRequestFormat", "Required property 'addressPrefix' is missing.")
        own = _networks(given, draft.id.text)
        vnet = world.store.get(draft.id.parent)
        if vnet is not None:
            space = _networks(value_at(vnet.desired, "properties.addressSpace.addressPrefixes"), vnet.id.text)
            if not all(any(net.subnet_of(outer) for outer in space) for net in own):
                raise bad_request(
                    "NetcfgInvalidSubnet",
                    f"Subnet '{draft.id.name}' is not valid in virtual network '{vnet.id.name}'.",
                )
            self._refuse_overlap(draft, own, world)
        group = draft.prop("networkSecurityGroup.id")
        if group is not None and world.by_id(group) is None:
            raise bad_request(
                "InvalidResourceReference",
                f"Resource {group} referenced by resource {draft.id.text} was not found. Please make "
                "sure that "
                "the referenced resource exists, and that both resources are in the same region.",
            )

    @staticmethod
    def _refuse_overlap(draft: Draft, own: list[IPv4Network], world: World) -> None:
        for other in world.store.children(draft.id.parent, SUBNET):
            if other.key == draft.id.key:
                continue
            props = other.desired.get("properties", {})
            theirs = _networks(props.get("addressPrefix") or props.get("addressPrefixes"), other.id.text)
            if any(a.overlaps(b) for a in own for b in theirs):
                raise bad_request(
                    "NetcfgSubnetRangesOverlap",
                    f"Subnet '{draft.id.name}' is not valid because its IP address range overlaps "
                    "with that of an "
                    f"existing subnet '{other.id.name}' in virtual network '{draft.id.names[0]}'.",
                )

    def computed(self, draft: Draft, world: World) -> Json:
        """Defaults of the policies."""
        return {
            "properties": {
                "delegations": draft.prop("delegations") or [],
                "privateEndpointNetworkPolicies": draft.prop("privateEndpointNetworkPolicies") or "Disabled",
                "privateLinkServiceNetworkPolicies": draft.prop("privateLinkServiceNetworkPolicies")
                or "Enabled",
            }
        }

    def busy_with(self, resource: Resource, world: World) -> Resource | None:
        """A change of any subnet locks the whole virtual network."""
        vnet = world.store.get(resource.id.parent)
        locked = [resource, vnet, *world.store.children(resource.id.parent)] if vnet else [resource]
        return next((r for r in locked if r is not None and r.busy), None)

    def may_create(self, draft: Draft, world: World) -> Resource | None:
        """A change of any subnet locks the whole virtual network."""
        vnet = world.store.get(draft.id.parent)
        locked = [vnet, *world.store.children(draft.id.parent)] if vnet else []
        return next((r for r in locked if r is not None and r.busy), None)


_DEFAULT_RULES = (
    ("AllowVnetInBound", 65000, "Inbound", "Allow", "VirtualNetwork", "VirtualNetwork"),
    ("AllowAzureLoadBalancerInBound", 65001, "Inbound", "Allow", "AzureLoadBalancer", "*"),
    ("DenyAllInBound", 65500, "Inbound", "Deny", "*", "*"),
    ("AllowVnetOutBound", 65000, "Outbound", "Allow", "VirtualNetwork", "VirtualNetwork"),
    ("AllowInternetOutBound", 65001, "Outbound", "Allow", "*", "Internet"),
    ("DenyAllOutBound", 65500, "Outbound", "Deny", "*", "*"),
)


class SecurityGroup(_Network):
    """Microsoft.Network/networkSecurityGroups."""

    type = NSG
    create = Duration(3.0, 0.2)
    needs_location = True
    inline = (Inline("securityRules", "securityRules"),)
    in_use_code = "InUseNetworkSecurityGroupCannotBeDeleted"

    def computed(self, draft: Draft, world: World) -> Json:
        """Its GUID and the default rules."""
        base = f"{draft.id.text}/defaultSecurityRules"
        rules = [
            {
                "name": name,
                "id": f"{base}/{name}",
                "type": f"{NSG}/defaultSecurityRules",
                "properties": {
                    "provisioningState": "Succeeded",
                    "protocol": "*",
                    "sourcePortRange": "*",
                    "destinationPortRange": "*",
                    "sourceAddressPrefix": source,
                    "destinationAddressPrefix": destination,
                    "access": access,
                    "priority": priority,
                    "direction": direction,
                },
            }
            for name, priority, direction, access, source, destination in _DEFAULT_RULES
        ]
        return {
            "properties": {"resourceGuid": world.uuid("nsg", draft.id.key), "defaultSecurityRules": rules}
        }

    def busy_with(self, resource: Resource, world: World) -> Resource | None:
        """A security group is locked while one of its rules changes."""
        return next((r for r in [resource, *world.store.children(resource.key)] if r.busy), None)


class SecurityRule(Kind):
    """Microsoft.Network/networkSecurityGroups/securityRules."""

    type = RULE
    create = Duration(2.0, 0.2)
    has_etag = True
    required = (
        "properties.protocol",
        "properties.access",
        "properties.direction",
        "properties.priority",
    )

    def check(self, draft: Draft, world: World) -> None:
        """Priority lies in 100 to 4096 and is free in its direction."""
        priority = draft.prop("priority")
        if not isinstance(priority, int) or not 100 <= priority <= 4096:
            raise bad_request(
                "SecurityRuleInvalidPriority",
                f"Security rule has invalid Priority. Value provided: {priority} Allowed range 100-4096.",
            )
        for other in world.store.children(draft.id.parent, RULE):
            props = other.desired.get("properties", {})
            if other.key != draft.id.key and (props.get("priority"), props.get("direction")) == (
                priority,
                draft.prop("direction"),
            ):
                raise bad_request(
                    "SecurityRuleConflict",
                    f"Security rule {draft.id.name} conflicts with rule {other.id.name}. Rules "
                    "cannot have the "
                    "same Priority and Direction.",
                )


class PublicIp(_Network):
    """Microsoft.Network/publicIPAddresses."""

    type = PUBLIC_IP
    create = Duration(3.0, 0.2)
    needs_location = True
    in_use_code = "PublicIPAddressCannotBeDeleted"

    def check(self, draft: Draft, world: World) -> None:
        """Standard addresses are static, and the region's quota holds."""
        standard = value_at(draft.wanted, "sku.name") == "Standard"
        if standard and draft.prop("publicIPAllocationMethod") != "Static":
            raise bad_request(
                "StandardSkuPublicIPAddressesMustBeStatic",
                f"Standard sku publicIp {draft.id.text} must have AllocationMethod set to Static.",
            )
        if draft.current is not None:
            return
        limit = world.quotas.limit(draft.location, "StandardSkuPublicIpAddresses")
        if world.quotas.count(draft.location, PUBLIC_IP) >= limit:
            raise ArmError(
                400,
                "PublicIPCountLimitReached",
                f"Cannot create more than {limit} public IP addresses for this subscription in this region.",
            )

    def computed(self, draft: Draft, world: World) -> Json:
        """The address, once and for all, and defaults."""
        before = draft.current.computed if draft.current else {}
        address = value_at(before, "properties.ipAddress")
        properties: Json = {
            "resourceGuid": world.uuid("pip", draft.id.key),
            "idleTimeoutInMinutes": draft.prop("idleTimeoutInMinutes") or 4,
            "publicIPAddressVersion": draft.prop("publicIPAddressVersion") or "IPv4",
            "publicIPAllocationMethod": draft.prop("publicIPAllocationMethod") or "Dynamic",
            "ipTags": draft.prop("ipTags") or [],
        }
        if properties["publicIPAllocationMethod"] == "Static":
            properties["ipAddress"] = address or world.addresses.allocate()
        label = draft.prop("dnsSettings.domainNameLabel")
        if label:
            properties["dnsSettings"] = {"fqdn": f"{label}.{draft.location}.cloudapp.azure.com"}
        sku = {
            "name": value_at(draft.wanted, "sku.name") or "Basic",
            "tier": value_at(draft.wanted, "sku.tier"),
        }
        return {"properties": properties, "sku": {**sku, "tier": sku["tier"] or "Regional"}}

    async def gone(self, resource: Resource, world: World) -> None:
        """Its address is free again."""
        world.addresses.release(value_at(resource.computed, "properties.ipAddress"))

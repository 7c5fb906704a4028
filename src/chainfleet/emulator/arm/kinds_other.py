"""Resource groups, identities, key vaults, role assignments, workspaces."""

from __future__ import annotations

import re
import uuid
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

from .bodies import Json, value_at
from .durations import Duration
from .errors import ArmError, bad_request
from .kinds import Draft, Kind, Style
from .names import GROUPS

if TYPE_CHECKING:
    from .resources import Resource
    from .world import World

IDENTITY = "Microsoft.ManagedIdentity/userAssignedIdentities"
CREDENTIAL = f"{IDENTITY}/federatedIdentityCredentials"
VAULT = "Microsoft.KeyVault/vaults"
ASSIGNMENT = "Microsoft.Authorization/roleAssignments"
WORKSPACE = "Microsoft.OperationalInsights/workspaces"
_PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
_VAULT_NAME = re.compile(r"^(?!.*--)[A-Za-z][A-Za-z0-9-]{1,22}[A-Za-z0-9]$")


class ResourceGroup(Kind):
    """Microsoft.Resources/resourceGroups."""

    type = GROUPS
    style = Style.HELD
    create = Duration(1.5, 0.2)
    update = Duration(0.5, 0.2)
    delete = Duration(15.0, 0.2)
    needs_location = True
    busy_code = "ResourceGroupBeingDeleted"

    def busy_message(self, resource: Resource) -> str:
        """A group is only ever busy because it is being deleted."""
        name = resource.id.name
        return f"The resource group '{name}' is in deprovisioning state and cannot perform this operation."


class UserAssignedIdentity(Kind):
    """Microsoft.ManagedIdentity/userAssignedIdentities."""

    type = IDENTITY
    style = Style.HELD
    delete_style = Style.HELD
    create = Duration(2.0, 0.3)
    update = Duration(1.0, 0.3)
    delete = Duration(2.0, 0.3)
    needs_location = True
    shows_state = False

    def computed(self, draft: Draft, world: World) -> Json:
        """Its service principal."""
        return {
            "properties": {
                "tenantId": world.directory.tenant_id,
                "principalId": world.uuid("principal", draft.id.key),
                "clientId": world.uuid("client", draft.id.key),
                "isolationScope": draft.prop("isolationScope") or "None",
            }
        }


class FederatedCredential(Kind):
    """Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials."""

    type = CREDENTIAL
    style = Style.HELD
    delete_style = Style.HELD
    create = Duration(1.5, 0.3)
    update = Duration(1.0, 0.3)
    delete = Duration(1.0, 0.3)
    required = ("properties.issuer", "properties.subject", "properties.audiences")
    shows_state = False
    alone_code = "ConcurrentFederatedIdentityCredentialsWritesForSingleManagedIdentity"


class KeyVault(Kind):
    """Microsoft.KeyVault/vaults."""

    type = VAULT
    style = Style.BODY
    delete_style = Style.HELD
    create = Duration(20.0, 0.3)
    update = Duration(3.0, 0.3)
    delete = Duration(5.0, 0.3)
    required = ("properties.tenantId", "properties.sku.name", "properties.sku.family")
    needs_location = True
    busy_code = "ConflictError"
    creating = "RegisteringDns"
    updating = "Succeeded"

    def check(self, draft: Draft, world: World) -> None:
        """Its name is valid and free in the whole world, soft-deleted vaults included."""
        name = draft.id.name
        if not _VAULT_NAME.match(name):
            raise bad_request(
                "VaultNameNotValid",
                f"The vault name '{name}' is invalid. A vault's name must be between 3-24 "
                "alphanumeric characters. "
                "The name must begin with a letter, end with a letter or digit, and not contain "
                "consecutive hyphens.",
            )
        if draft.prop("accessPolicies") is None and not draft.prop("enableRbacAuthorization"):
            raise bad_request("BadRequest", "The parameter accessPolicies is not specified.")
        for rule in value_at(draft.wanted, "properties.networkAcls.ipRules") or ():
            _check_ip_rule(str(rule.get("value")))
        if draft.current is not None:
            return
        if any(v.id.name.lower() == name.lower() for v in world.store.of_type(VAULT)):
            raise ArmError(
                409,
                "VaultAlreadyExists",
                f"The vault name '{name}' is already in use. Vault names are globally unique so it "
                "is possible that "
                "the name is already taken.",
            )
        recovering = draft.prop("createMode") == "recover"
        if recovering and name.lower() not in world.deleted_vaults:
            raise ArmError(
                404, "DeletedVaultNotFound", f"The specified deleted vault '{name}' does not exist."
            )
        if name.lower() in world.deleted_vaults and not recovering:
            raise ArmError(
                409,
                "ConflictError",
                f"A vault with the same name '{name}' already exists in deleted state. You need to "
                "either recover "
                "or purge existing key vault. Follow this link "
                "https://go.microsoft.com/fwlink/?linkid=2149745 "
                "for more information on soft delete.",
            )

    def computed(self, draft: Draft, world: World) -> Json:
        """Its address and defaults."""
        return {
            "properties": {
                "vaultUri": world.vaults.uri(draft.id.name),
                "accessPolicies": draft.prop("accessPolicies") or [],
                "enableSoftDelete": True,
                "softDeleteRetentionInDays": draft.prop("softDeleteRetentionInDays") or 90,
                "enabledForDeployment": bool(draft.prop("enabledForDeployment")),
                "publicNetworkAccess": draft.prop("publicNetworkAccess") or "Enabled",
            }
        }

    def stored(self, wanted: Json) -> Json:
        """The create mode is an order, not a property."""
        properties = {k: v for k, v in wanted["properties"].items() if k != "createMode"}
        return {**wanted, "properties": properties}

    async def arrived(self, resource: Resource, world: World) -> None:
        """A recovered vault is no longer a deleted one."""
        world.deleted_vaults.pop(resource.id.name.lower(), None)

    async def gone(self, resource: Resource, world: World) -> None:
        """Keep it as a soft-deleted vault until it is purged."""
        world.deleted_vaults[resource.id.name.lower()] = {
            "vaultId": resource.id.text,
            "location": resource.location,
            "tags": resource.desired.get("tags") or {},
            "purgeProtectionEnabled": bool(value_at(resource.desired, "properties.enablePurgeProtection")),
        }


def _check_ip_rule(value: str) -> None:
    """Refuse what is no public IPv4 range."""
    try:
        network = IPv4Network(value, strict=False)
    except ValueError:
        network = None
    if network is None or any(network.overlaps(private) for private in _PRIVATE):
        raise bad_request("BadRequest", f"The IP rule '{value}' must be a public IPv4 address or range.")


class RoleAssignment(Kind):
    """Microsoft.Authorization/roleAssignments: an extension of any scope."""

    type = ASSIGNMENT
    style = Style.HELD
    delete_style = Style.HELD
    create = Duration(3.0, 0.3)
    update = Duration(2.0, 0.3)
    delete = Duration(2.0, 0.3)
    required = ("properties.roleDefinitionId", "properties.principalId")
    shows_state = False

    def check(self, draft: Draft, world: World) -> None:
        """Its name is a GUID, its principal known, and the grant new."""
        try:
            uuid.UUID(draft.id.name)
        except ValueError:
            raise bad_request(
                "InvalidRoleAssignmentId",
                f"The role assignment ID '{draft.id.name}' is not valid. It must be a GUID.",
            ) from None
        principal = str(draft.prop("principalId")).lower()
        # With principalType given, Azure skips the look-up in the directory (replication delay).
        if draft.prop("principalType") is None and not self._known(principal, world):
            raise bad_request(
                "PrincipalNotFound",
                f"Principal {principal} does not exist in the directory {world.directory.tenant_id}.",
            )
        grant = (principal, str(draft.prop("roleDefinitionId")).lower())
        for other in world.store.children(draft.id.parent, ASSIGNMENT):
            props = other.desired.get("properties", {})
            theirs = (str(props.get("principalId")).lower(), str(props.get("roleDefinitionId")).lower())
            if other.key != draft.id.key and theirs == grant:
                raise ArmError(
                    409,
                    "RoleAssignmentExists",
                    "The role assignment already exists. "
                    f"The ID of the existing role assignment is {other.id.name.replace('-', '')}.",
                )

    @staticmethod
    def _known(principal: str, world: World) -> bool:
        if world.directory.knows_object(principal):
            return True
        return any(
            principal in str(resource.computed.get(part, "")).lower()
            for resource in world.store
            for part in ("properties", "identity")
            if resource.type in (IDENTITY, "Microsoft.ContainerService/managedClusters")
        )

    def computed(self, draft: Draft, world: World) -> Json:
        """Its scope and principal type."""
        return {
            "properties": {
                "scope": draft.id.text.split("/providers/Microsoft.Authorization", 1)[0],
                "principalType": draft.prop("principalType") or "ServicePrincipal",
                "createdBy": world.directory.deployer.object_id,
                "updatedBy": world.directory.deployer.object_id,
            }
        }


class Workspace(Kind):
    """Microsoft.OperationalInsights/workspaces."""

    type = WORKSPACE
    style = Style.BODY
    delete_style = Style.HELD
    create = Duration(46.0, 0.2)
    update = Duration(5.0, 0.2)
    delete = Duration(5.0, 0.2)
    needs_location = True
    creating = "Creating"

    def computed(self, draft: Draft, world: World) -> Json:
        """Its customer id and defaults."""
        return {
            "properties": {
                "customerId": world.uuid("workspace", draft.id.key),
                "retentionInDays": draft.prop("retentionInDays") or 30,
                "sku": {"name": draft.prop("sku.name") or "PerGB2018"},
            }
        }


class Held(Kind):
    """Small nested resources whose write is done when it is answered."""

    style = Style.HELD
    delete_style = Style.HELD
    create = Duration(1.0, 0.2)
    update = Duration(1.0, 0.2)
    delete = Duration(1.0, 0.2)
    shows_state = False

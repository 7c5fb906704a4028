"""What ARM answers about a whole subscription: locations, providers, usages, SKUs, operations, vaults."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .answers import Answer, Asked, json_answer, page
from .bodies import Json
from .catalogue import NAMESPACES, REGISTERED, Catalogue
from .compute import sku_rows
from .errors import ArmError, bad_request
from .filters import equalities
from .identity import Principal
from .kinds_containers import VERSIONS
from .locations import Locations
from .operations import Operation, Operations, Status

if TYPE_CHECKING:
    from .world import World


class Subscription:
    """Reads that concern no single resource, and registrations of providers."""

    def __init__(
        self, world: World, catalogue: Catalogue, locations: Locations, operations: Operations
    ) -> None:
        self._world = world
        self._catalogue = catalogue
        self._locations = locations
        self._operations = operations
        self.registered = set(REGISTERED)

    def answer(self, asked: Asked) -> Answer | None:
        """Answer a request below `/subscriptions/{id}`, or None if it names something else."""
        lower = [segment.lower() for segment in asked.segments]
        rest = lower[2:]
        if not rest and asked.verb == "GET":
            return json_answer(self.subscription())
        if rest == ["locations"] and asked.verb == "GET":
            sub = self._world.directory.subscription_id
            return json_answer({"value": [location.body(sub) for location in self._locations]})
        if rest[:1] == ["operationresults"] and len(rest) == 2:
            return self._result(asked, rest[1])
        if rest[:1] != ["providers"]:
            return None
        return self._provider(asked, rest[1:])

    def subscription(self) -> Json:
        """The subscription itself."""
        directory = self._world.directory
        return {
            "id": f"/subscriptions/{directory.subscription_id}",
            "subscriptionId": directory.subscription_id,
            "tenantId": directory.tenant_id,
            "displayName": "chainfleet emulated",
            "state": "Enabled",
            "subscriptionPolicies": {"quotaId": "EnterpriseAgreement_2014-09-01", "spendingLimit": "Off"},
            "authorizationSource": "RoleBased",
        }

    def tenants(self) -> Json:
        """The tenants that a caller sees."""
        tenant = self._world.directory.tenant_id
        return {
            "value": [{"id": f"/tenants/{tenant}", "tenantId": tenant, "displayName": "chainfleet emulated"}]
        }

    def require_registered(self, type_name: str) -> None:
        """Refuse a write of a type whose provider isn't registered.

        Raises:
            ArmError: 409 `MissingSubscriptionRegistration`.
        """
        namespace = self._namespace(type_name.split("/", 1)[0])
        if namespace not in self.registered:
            raise ArmError(
                409,
                "MissingSubscriptionRegistration",
                f"The subscription is not registered to use namespace '{namespace}'. "
                "See https://aka.ms/rps-not-found for how to register subscriptions.",
            )

    def _provider(self, asked: Asked, rest: list[str]) -> Answer | None:
        if not rest and asked.verb == "GET":
            return page(asked, NAMESPACES, self._provider_body)
        namespace = rest[0] if rest else ""
        if len(rest) == 1 and asked.verb == "GET":
            return json_answer(self._provider_body(self._namespace(namespace)))
        if len(rest) == 2 and asked.verb == "POST" and rest[1] in ("register", "unregister"):
            return self._register(self._namespace(namespace), rest[1])
        if rest == ["microsoft.compute", "skus"] and asked.verb == "GET":
            return self._skus(asked)
        if rest == ["microsoft.keyvault", "deletedvaults"] and asked.verb == "GET":
            return page(asked, sorted(self._world.deleted_vaults), self._deleted_vault)
        if rest == ["microsoft.authorization", "permissions"] and asked.verb == "GET":
            return json_answer({"value": _permissions(asked.principal)})
        if len(rest) >= 4 and rest[1] == "locations":
            return self._located(asked, namespace, rest[2], rest[3:])
        return None

    def _located(self, asked: Asked, namespace: str, region: str, rest: list[str]) -> Answer | None:
        if len(rest) == 2 and rest[0] in ("operations", "operationresults"):
            return (self._status if rest[0] == "operations" else self._result)(asked, rest[1])
        known = self._locations.normalise(region)
        if known is None:
            raise bad_request(
                "NoRegisteredProviderFound", f"The location '{region}' is not known to '{namespace}'."
            )
        quotas = self._world.quotas
        usages: dict[str, Callable[[str], list[Json]]] = {
            "microsoft.compute": quotas.compute_usages,
            "microsoft.network": quotas.network_usages,
            "microsoft.containerservice": quotas.cluster_usages,
        }
        if rest == ["usages"] and namespace in usages and asked.verb == "GET":
            return json_answer({"value": usages[namespace](known)})
        if rest == ["kubernetesversions"] and namespace == "microsoft.containerservice":
            return json_answer(_kubernetes_versions())
        if rest[:1] == ["deletedvaults"] and namespace == "microsoft.keyvault":
            return self._one_deleted_vault(asked, rest[1:])
        return None

    def _provider_body(self, namespace: str) -> Json:
        display = [location.display_name for location in self._locations]
        return {
            "id": f"/subscriptions/{self._world.directory.subscription_id}/providers/{namespace}",
            "namespace": namespace,
            "registrationState": "Registered" if namespace in self.registered else "NotRegistered",
            "registrationPolicy": "RegistrationRequired",
            "resourceTypes": [
                {"resourceType": kind, "locations": display, "apiVersions": []}
                for kind in self._catalogue.types(namespace)
            ],
        }

    def _register(self, namespace: str, action: str) -> Answer:
        changed = (namespace in self.registered) != (action == "register")
        (self.registered.add if action == "register" else self.registered.discard)(namespace)
        answer = json_answer(self._provider_body(namespace))
        answer.changed = changed
        return answer

    def _namespace(self, given: str) -> str:
        for namespace in NAMESPACES:
            if namespace.lower() == given.lower():
                return namespace
        raise ArmError(404, "InvalidResourceNamespace", f"The resource namespace '{given}' is invalid.")

    def _skus(self, asked: Asked) -> Answer:
        wanted = equalities(asked.query.get("$filter", "")).get("location")
        rows: list[Json] = []
        for location in self._locations:
            if wanted is None or location.name == self._locations.normalise(wanted):
                rows += sku_rows(location.name, zones=location.zones, restricted=location.restricted)
        return page(asked, rows, lambda row: row)

    def _operation(self, operation_id: str) -> Operation:
        operation = self._operations.get(operation_id)
        if operation is None:
            raise ArmError(404, "OperationNotFound", f"The operation '{operation_id}' could not be found.")
        return operation

    def _status(self, asked: Asked, operation_id: str) -> Answer:
        return json_answer(self._operation(operation_id).document(asked.path))

    def _result(self, asked: Asked, operation_id: str) -> Answer:
        operation = self._operation(operation_id)
        if operation.status is Status.IN_PROGRESS:
            return Answer(
                202, None, {"Location": f"{asked.base}{asked.path}?api-version={asked.api_version}"}
            )
        if operation.status is Status.FAILED:
            return json_answer({"error": operation.error}, operation.error_status)
        resource = self._world.store.get(operation.key)
        if resource is None:
            return Answer(200 if operation.type.startswith("Microsoft.Resources/") else 204)
        return Answer(200, self._world.store.rendered(resource))

    def _deleted_vault(self, name: str) -> Json:
        properties = self._world.deleted_vaults[name]
        sub = self._world.directory.subscription_id
        place = f"/subscriptions/{sub}/providers/Microsoft.KeyVault/locations/{properties['location']}"
        return {
            "id": f"{place}/deletedVaults/{name}",
            "name": name,
            "type": "Microsoft.KeyVault/deletedVaults",
            "properties": properties,
        }

    def _one_deleted_vault(self, asked: Asked, rest: list[str]) -> Answer:
        name = rest[0] if rest else ""
        if name not in self._world.deleted_vaults:
            raise ArmError(
                404, "DeletedVaultNotFound", f"The specified deleted vault '{name}' does not exist."
            )
        if asked.verb == "POST" and rest[1:] == ["purge"]:
            if self._world.deleted_vaults[name]["purgeProtectionEnabled"]:
                raise bad_request("BadRequest", f"The vault '{name}' is protected from being purged.")
            del self._world.deleted_vaults[name]
            self._world.vaults.purge(name)
            return Answer(200, changed=True)
        return json_answer(self._deleted_vault(name))


def _permissions(principal: Principal | None) -> list[Json]:
    """What a principal may do in the whole subscription; roles on single resources don't count there."""
    found: list[Json] = [{"actions": ["*"], "notActions": [], "dataActions": [], "notDataActions": []}]
    if principal is not None and principal.secrets:
        secrets = ["Microsoft.KeyVault/vaults/secrets/*"]
        found.append({"actions": [], "notActions": [], "dataActions": secrets, "notDataActions": []})
    return found


def _kubernetes_versions() -> Json:
    return {
        "values": [
            {
                "version": minor,
                "isDefault": minor == "1.34",
                "isPreview": False,
                "capabilities": {"supportPlan": ["KubernetesOfficial"]},
                "patchVersions": {patch: {"upgrades": []}},
            }
            for minor, patch in VERSIONS.items()
        ]
    }

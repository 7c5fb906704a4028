"""What lies in the key vaults, and who may see it: secrets with their versions, roles, and the pods that mount them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from chainfleet.emulator.seams import SecretRefused, SecretWanted

from .bodies import value_at
from .identity import Directory, Principal
from .kinds_other import ASSIGNMENT, CREDENTIAL, IDENTITY, VAULT
from .resources import Resource, Store

SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
SECRETS_OFFICER = "b86a8fe4-44ce-4948-aee5-eccb2c155cd7"
ADMINISTRATOR = "00482a5a-887f-4fb3-b363-3e6f01ce9cc5"
"""Azure's built-in roles for a vault's secrets."""

GET, SET = "getSecret", "setSecret"
_ALLOW = {SECRETS_USER: {GET, "readMetadata"}}


@dataclass(slots=True)
class Version:
    """One version of a secret; `created` in seconds since 1970."""

    id: str
    value: str = field(repr=False)
    created: int
    tags: Mapping[str, str]
    content_type: str = ""
    enabled: bool = True


@dataclass(slots=True)
class Secret:
    """A secret with all its versions, oldest first."""

    versions: list[Version]
    deleted: bool = False

    def version(self, wanted: str) -> Version | None:
        """One version; the newest for an empty id."""
        found = [each for each in self.versions if not wanted or each.id == wanted]
        return found[-1] if found else None


class KeyVaults:
    """Secrets by vault; implements `seams.SecretVaults`. What it dumps holds secrets.

    A deleted vault keeps its secrets until it is purged, as Azure's soft delete does.

    Args:
        store: the vaults, identities and role assignments of ARM.
        wall: the emulated time of day, in seconds since 1970.
        changed: called after every change, so that the state is kept.
    """

    def __init__(
        self, store: Store, directory: Directory, wall: Callable[[], float], changed: Callable[[], None]
    ) -> None:
        self._store = store
        self._directory = directory
        self._wall = wall
        self._changed = changed
        self._secrets: dict[str, dict[str, Secret]] = {}
        self.base = ""
        """Address of the data plane, with a slash at its end; known once it is bound."""

    def uri(self, vault: str) -> str:
        """Address of one vault. Azure's vaults have a host each, ours a path of one host."""
        return f"{self.base}{vault.lower()}/"

    def vault(self, name: str) -> Resource | None:
        """The living vault of that name."""
        found = (v for v in self._store.of_type(VAULT) if v.id.name.lower() == name.lower())
        return next(found, None)

    def secrets(self, vault: str) -> dict[str, Secret]:
        """The secrets of a vault, deleted ones among them."""
        return self._secrets.setdefault(vault.lower(), {})

    def set(
        self, vault: str, name: str, value: str, *, tags: Mapping[str, str], content_type: str
    ) -> Version:
        """Add a version of a secret."""
        version = Version(secrets.token_hex(16), value, int(self._wall()), dict(tags), content_type)
        self.secrets(vault).setdefault(name, Secret([])).versions.append(version)
        self._changed()
        return version

    def mark(self, vault: str, name: str, *, deleted: bool) -> None:
        """Delete a secret softly, or bring it back."""
        self.secrets(vault)[name].deleted = deleted
        self._changed()

    def purge(self, vault: str, name: str | None = None) -> None:
        """Forget a secret for good, or all of a vault."""
        if name is None:
            self._secrets.pop(vault.lower(), None)
        else:
            self.secrets(vault).pop(name, None)
        self._changed()

    def may(self, principal: Principal, vault: Resource, action: str) -> bool:
        """Whether a service principal may do that with the vault's secrets."""
        return principal.secrets or self._granted(principal.object_id, vault, action)

    def secret(self, wanted: SecretWanted) -> str:
        """What the CSI driver of a node gets for a pod.

        Raises:
            SecretRefused: as the driver would put it into the pod's events.
        """
        if wanted.tenant.lower() != self._directory.tenant_id:
            raise SecretRefused(f"AADSTS90002: Tenant '{wanted.tenant}' not found.")
        identity = self._identity(wanted)
        vault = self.vault(wanted.vault)
        if vault is None:
            raise SecretRefused(f"dial tcp: lookup {wanted.vault}.vault.azure.net: no such host")
        principal = str(value_at(identity.computed, "properties.principalId"))
        if not self._granted(principal, vault, GET):
            raise SecretRefused(
                'StatusCode=403 -- Code="Forbidden" Message="Caller is not authorized to perform action on '
                f"resource. Caller: appid={wanted.client} Action: '{VAULT}/secrets/{GET}/action'\""
            )
        secret = self.secrets(wanted.vault).get(wanted.name)
        found = None if secret is None or secret.deleted else secret.version(wanted.version)
        if found is None or not found.enabled:
            raise SecretRefused(
                f'StatusCode=404 -- Code="SecretNotFound" Message="A secret with (name/id) '
                f'{"/".join(filter(None, (wanted.name, wanted.version)))} was not found in this key vault."'
            )
        return found.value

    def _identity(self, wanted: SecretWanted) -> Resource:
        """The managed identity that a pod's service account may act as."""
        found = next(
            (
                each
                for each in self._store.of_type(IDENTITY)
                if value_at(each.computed, "properties.clientId") == wanted.client
            ),
            None,
        )
        if found is None:
            raise SecretRefused(f"AADSTS700016: Application with identifier '{wanted.client}' was not found.")
        cluster = self._store.get(wanted.cluster.lower())
        issuer = value_at(cluster.computed, "properties.oidcIssuerProfile.issuerURL") if cluster else None
        for credential in self._store.children(found.key, CREDENTIAL):
            trusted = credential.desired.get("properties", {})
            if issuer and (trusted.get("issuer"), trusted.get("subject")) == (issuer, wanted.subject):
                return found
        raise SecretRefused(
            "AADSTS700213: No matching federated identity record found for presented assertion "
            f"subject '{wanted.subject}'."
        )

    def _granted(self, object_id: str, vault: Resource, action: str) -> bool:
        for assignment in self._assignments(vault):
            given = assignment.desired.get("properties", {})
            role = str(given.get("roleDefinitionId", "")).rsplit("/", 1)[-1].lower()
            if str(given.get("principalId", "")).lower() != object_id.lower():
                continue
            if role in (SECRETS_OFFICER, ADMINISTRATOR) or action in _ALLOW.get(role, ()):
                return True
        return False

    def _assignments(self, vault: Resource) -> Iterator[Resource]:
        subscription, _, _ = vault.key.partition("/resourcegroups/")
        for scope in (vault.key, vault.id.parent, subscription):
            yield from self._store.children(scope, ASSIGNMENT)

    def dump_json(self) -> str:
        """State as JSON text."""
        return json.dumps(
            {vault: {name: asdict(s) for name, s in held.items()} for vault, held in self._secrets.items()}
        )

    def load(self, state: Mapping[str, Any]) -> None:
        """Take up a state that `dump_json` gave."""
        for vault, held in state.items():
            self._secrets[vault] = {
                name: Secret([Version(**v) for v in secret["versions"]], secret["deleted"])
                for name, secret in held.items()
            }

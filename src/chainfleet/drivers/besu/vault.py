"""Node keys in their region's key vault: put there once, and mounted from there by the validators' pods."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from chainfleet.drivers.azure import setting
from chainfleet.drivers.driver import Attempt
from chainfleet.drivers.key_vault import KeyVaults
from chainfleet.drivers.kubernetes.names import key_secret
from chainfleet.model.besu.identity import read_key_file
from chainfleet.model.errors import ErrorClass, InputError, TaskFailed
from chainfleet.model.fleet import Region

from . import artefacts
from .keys import KeyStore, Validator


@dataclass(frozen=True, slots=True)
class Vault:
    """A region's key vault, and who reads from it.

    Attributes:
        name: the vault's.
        uri: its address.
        tenant_id: the tenant that it trusts.
        client_id: client id of the managed identity that validators act as.
        versions: which version of its secret each validator mounts, by index; the newest where not said.
    """

    name: str
    uri: str
    tenant_id: str
    client_id: str
    versions: Mapping[int, str] = field(default_factory=dict)


def vault_of(attempt: Attempt, region: Region) -> Vault | None:
    """The vault that a region's node keys lie in; None where they lie in Kubernetes Secrets, or there can be none.

    Raises:
        TaskFailed: the region's infrastructure doesn't tell it.
    """
    if attempt.fleet.network.node_keys != "vault" or region.cloud != "azure":
        return None
    task = f"infrastructure/cluster/{region.name}"
    outputs = artefacts.required_outputs(attempt, task)
    missing = [name for name in ("vault_name", "vault_uri", "identity_id") if not outputs.get(name)]
    if missing:
        message = f"{task} doesn't tell {', '.join(missing)}"
        way_out = "`chainfleet deploy FLEET --only infrastructure` brings it up to date"
        raise TaskFailed(ErrorClass.CONFIGURATION, message, way_out=way_out)
    return Vault(
        name=str(outputs["vault_name"]),
        uri=str(outputs["vault_uri"]),
        tenant_id=setting(attempt.fleet.clouds.azure.tenant_id, attempt.environ),
        client_id=str(outputs["identity_id"]),
    )


class NodeKeys:
    """Keeps node keys in vaults; one for all regions."""

    def __init__(self) -> None:
        self._vaults = KeyVaults()

    async def versions(self, attempt: Attempt, region: Region, vault: Vault) -> dict[int, str | None]:
        """Which version of its secret holds each validator's key; None where the newest is no or another key.

        Needs no key of ours: the address that follows from the vault's tells.
        """
        mine = _validators(attempt, region)
        found = await asyncio.gather(*(self._version(attempt, vault, validator) for validator in mine))
        return {validator.index: version for validator, version in zip(mine, found, strict=True)}

    async def put(self, attempt: Attempt, region: Region, vault: Vault) -> dict[int, str]:
        """Put the keys that are missing into the vault; returns the version of each. What is right is not written.

        Raises:
            TaskFailed: the vault refused.
            InputError: a key is missing.
        """
        held = await self.versions(attempt, region, vault)
        store = KeyStore.of(attempt.workspace, attempt.environ)
        for validator in _validators(attempt, region):
            if held[validator.index] is None:
                held[validator.index] = await self._put(attempt, vault, validator, store)
        return {index: version for index, version in held.items() if version is not None}

    async def _version(self, attempt: Attempt, vault: Vault, validator: Validator) -> str | None:
        name = key_secret(validator.index)
        kept = await asyncio.to_thread(self._vaults.get, attempt.environ, vault.uri, name)
        if kept is None:
            return None
        try:
            address = read_key_file(kept.value).address()
        except InputError:
            return None
        return kept.version if address == validator.address else None

    async def _put(self, attempt: Attempt, vault: Vault, validator: Validator, store: KeyStore) -> str:
        name = key_secret(validator.index)
        tags = {"chainfleet-fleet": attempt.fleet.name, "address": validator.address}
        text = (await asyncio.to_thread(store.key, validator)).key_file_text().strip()
        attempt.fence()
        kept = await asyncio.to_thread(self._vaults.set, attempt.environ, vault.uri, name, text, tags)
        attempt.log(f"put the key of {validator.address} into vault {vault.name}, secret {name}")
        return kept.version


def _validators(attempt: Attempt, region: Region) -> list[Validator]:
    return [v for v in artefacts.validators(attempt) if v.region == region.name]

"""Whether who deploys may put node keys into the regions' key vaults: asked before anything is made."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from chainfleet.drivers.arm import ArmReader
from chainfleet.drivers.key_vault import ROLE, KeyVaults
from chainfleet.drivers.terraform.vaults import vault_name
from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.fleet import Fleet

from .needs import VAULT_SECRETS, Check, Verdict

_PERMISSIONS, _VAULTS = "2022-04-01", "2023-07-01"
_SET = "microsoft.keyvault/vaults/secrets/setsecret/action"


class AzureVaults:
    """Checks the vaults of a fleet; one for all threads. Reads only, and no secret's value."""

    def __init__(self, reader: ArmReader, fleet: Fleet, environ: Mapping[str, str]) -> None:
        self._reader, self._fleet, self._environ = reader, fleet, environ
        self._vaults = KeyVaults()
        self._in_subscription = self._permitted()

    def check(self, region: str) -> Check:
        """Whether keys can be put into a region's vault, as far as that can be told.

        Raises:
            TaskFailed: ARM can't be asked.
        """
        uri = self._vault_uri(region)
        if uri is None:
            way_out = ROLE if self._in_subscription is Verdict.UNAVAILABLE else ""
            return Check(region, VAULT_SECRETS, verdict=self._in_subscription, way_out=way_out)
        try:
            self._vaults.look(self._environ, uri)
        except TaskFailed as error:
            if error.error_class is ErrorClass.AUTHORISATION:
                return Check(region, VAULT_SECRETS, verdict=Verdict.UNAVAILABLE, way_out=ROLE)
            return Check(region, VAULT_SECRETS, verdict=Verdict.UNKNOWN, way_out=error.message)
        return Check(region, VAULT_SECRETS, verdict=Verdict.OK)

    def _permitted(self) -> Verdict:
        """Whether these credentials may write secrets in the whole subscription."""
        try:
            document = self._reader.get("/providers/Microsoft.Authorization/permissions", _PERMISSIONS)
        except TaskFailed:
            document = None
        if document is None:
            return Verdict.UNKNOWN
        rows = document.get("value") or []
        return Verdict.OK if any(map(may_set_secrets, rows)) else Verdict.UNAVAILABLE

    def _vault_uri(self, region: str) -> str | None:
        """Address of a region's vault, if it stands."""
        prefix = self._fleet.clouds.azure.resource_prefix or self._fleet.name
        group = f"/resourceGroups/{prefix}-{region}"
        name = vault_name(prefix, f"/subscriptions/{self._reader.subscription}{group}")
        found = self._reader.get(f"{group}/providers/Microsoft.KeyVault/vaults/{name}", _VAULTS)
        return None if found is None else (found.get("properties") or {}).get("vaultUri")


def may_set_secrets(permission: Mapping[str, Any]) -> bool:
    """Whether a row of ARM's permissions allows to write secrets of key vaults."""

    def named(key: str) -> bool:
        return any(fnmatchcase(_SET, str(pattern).lower()) for pattern in permission.get(key) or ())

    return named("dataActions") and not named("notDataActions")

"""Brings back a region's key vault that Azure still keeps, deleted, under the name that a new one would get.

Azure keeps a deleted vault for 7 to 90 days, with purge protection without any way to hasten it, and refuses its
name to a new one meanwhile. `createMode = recover` brings the old one back. It is an order and no property: on a
vault that is not deleted Azure refuses it, so it is given for one apply and must not stay in the state.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from chainfleet.model.errors import ErrorClass, TaskFailed

from .adoption import module_versions
from .messages import Diagnostic
from .roots import VARIABLES, Root
from .states import State

ADDRESS = "azapi_resource.key_vault"
"""Address of the vault in the module `region`."""

RECOVER = "-var=vault_recover=true"
"""Argument of an apply that brings the vault back. Not among the root's variables, which outlive that apply."""

_TYPE = "microsoft.keyvault/vaults"
_IN_THE_WAY = re.compile(r"\bin deleted state\b", re.IGNORECASE)

Reader = Callable[[str, str], Awaitable[dict[str, Any] | None]]


def is_new(root: Root, state: State | None) -> bool:
    """Whether the root has a key vault that its state doesn't know yet."""
    known = state is not None and any(held.address == ADDRESS for held in state.resources)
    return not known and _version(root) is not None


def is_in_the_way(errors: Sequence[Diagnostic]) -> bool:
    """Whether an apply was refused because the vault's name belongs to a deleted vault."""
    return any(error.address == ADDRESS and _IN_THE_WAY.search(error.detail) for error in errors)


def vault_name(prefix: str, group_id: str) -> str:
    """Name of a region's vault, as the module makes it.

    Args:
        prefix: the fleet's resource prefix.
        group_id: ARM id of the region's resource group.
    """
    return prefix.replace("-", "")[:8] + hashlib.sha256(group_id.lower().encode()).hexdigest()[:14]


async def is_deleted(root: Root, *, fleet: str, read: Reader) -> bool:
    """Whether Azure keeps the root's vault as a deleted one.

    Args:
        root: of the stage `region`.
        fleet: name of the fleet, which the deleted vault's tags must carry: its secrets come back with it.
        read: reads a resource by id and API version.

    Raises:
        TaskFailed: it belongs to another fleet, or ARM refused.
    """
    version = _version(root)
    if version is None:
        return False
    variables = json.loads(root.files[VARIABLES])
    subscription = f"/subscriptions/{variables['account_id']}"
    group = f"{subscription}/resourceGroups/{variables['group']}"
    name = vault_name(variables["prefix"], group)
    place = f"{subscription}/providers/Microsoft.KeyVault/locations/{variables['region']}"
    answered = await read(f"{place}/deletedVaults/{name}", version)
    if answered is None:
        return False
    owner = ((answered.get("properties") or {}).get("tags") or {}).get("chainfleet-fleet")
    if owner != fleet:
        raise TaskFailed(
            ErrorClass.CONFIGURATION,
            f"the deleted key vault {name} holds the region's name and is not tagged as the fleet's",
            way_out=f"choose another resource_prefix, or give it up: az keyvault purge --name {name}",
        )
    return True


def _version(root: Root) -> str | None:
    return module_versions(tuple(root.files.values())).get(_TYPE)

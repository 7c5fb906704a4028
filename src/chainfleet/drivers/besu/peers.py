"""The one list of static peers that every validator gets."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from chainfleet.model.besu.enode import format_enode
from chainfleet.model.errors import InputError
from chainfleet.model.fleet import Fleet, Region

from .keys import Validator
from .node_config import UNALLOCATED


def enodes(validators: Iterable[Validator], addresses: Mapping[str, Sequence[str]], port: int) -> list[str]:
    """Return the enode URL of every validator, ordered by region and index as given.

    Besu skips its own entry, so one list serves all and is easily compared.

    Args:
        validators: who takes part.
        addresses: of each region, the address that peers dial, per validator.
        port: RLPx port of all of them.

    Raises:
        InputError: a validator has no address, or two have the same.
    """
    urls, seen = [], dict[str, str]()
    for validator in validators:
        host = address_of_validator(validator, addresses)
        if host in seen:
            raise InputError(
                f"{validator.name} and {seen[host]} have the same address {host}",
                way_out="give each its own: Besu tells peers by their address",
            )
        seen[host] = validator.name
        urls.append(
            f"enode://{validator.public_key}@{host}:{port}"
            if host.startswith(UNALLOCATED)
            else format_enode(bytes.fromhex(validator.public_key), host, port)
        )
    return urls


def address_of_validator(validator: Validator, addresses: Mapping[str, Sequence[str]]) -> str:
    """Return the address that peers dial; InputError if it has none."""
    of_region = addresses.get(validator.region, ())
    if validator.index >= len(of_region) or not of_region[validator.index]:
        raise InputError(
            f"{validator.name} has no address that peers could dial",
            way_out="deploy the region's network first, or give `addresses` for an existing cluster",
        )
    return of_region[validator.index]


def declared_addresses(fleet: Fleet, region: Region) -> tuple[str, ...]:
    """Return the addresses that a region of an existing cluster declares.

    Raises:
        InputError: there are fewer than validators.
    """
    wanted = fleet.validators_of(region)
    if len(region.addresses) < wanted:
        message = f"region {region.name} declares {len(region.addresses)} addresses for {wanted} validators"
        raise InputError(
            message, way_out=f"list one address per validator under regions.{region.name}.addresses"
        )
    return region.addresses[:wanted]


def static_nodes_text(urls: Sequence[str]) -> str:
    """Return the content of `static-nodes.json`."""
    return json.dumps(list(urls), indent=2) + "\n"

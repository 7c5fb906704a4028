"""Public IP addresses: unique ones from ranges that nobody routes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .resources import Store

# RFC 5737 documentation ranges first, then RFC 2544's benchmark range for very large fleets.
RANGES = tuple(map(IPv4Network, ("203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24", "198.18.0.0/15")))
PUBLIC_IP = "Microsoft.Network/publicIPAddresses"


class AddressPool:
    """Hands out addresses and answers `seams.PublicAddresses`.

    Args:
        store: the resources; a public IP's address is in its body, so nothing else needs keeping.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def allocate(self) -> str:
        """The lowest address that no public IP resource has.

        Raises:
            RuntimeError: all are taken.
        """
        taken = {_address(resource.computed) for resource in self._store.of_type(PUBLIC_IP)}
        for address in _usable():
            if address not in taken:
                return address
        raise RuntimeError("the emulated cloud has no public address left")

    def public_ip(self, *, resource_group: str, name: str) -> str | None:
        """The address of a public IP resource, or None if it doesn't exist."""
        wanted = (resource_group.lower(), name.lower())
        for resource in self._store.of_type(PUBLIC_IP):
            if (resource.id.group.lower(), resource.id.name.lower()) == wanted:
                return _address(resource.computed)
        return None

    def public_ips(self, *, resource_group: str) -> Sequence[str]:
        """All addresses in a resource group."""
        group = resource_group.lower()
        found = (_address(r.computed) for r in self._store.of_type(PUBLIC_IP) if r.id.group.lower() == group)
        return [address for address in found if address]


def _address(computed: dict[str, object]) -> str | None:
    properties = computed.get("properties")
    address = properties.get("ipAddress") if isinstance(properties, dict) else None
    return address if isinstance(address, str) else None


def _usable() -> Iterator[str]:
    for network in RANGES:
        # .0 to .3 and the broadcast address stay free, as in Azure's own subnets.
        for host in range(4, network.num_addresses - 1):
            yield str(network[host])

"""Public IP addresses: unique ones from ranges that nobody routes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .resources import Store

# RFC 5737 documentation ranges first, then part of RFC 2544's benchmark range for very large fleets.
RANGES = tuple(map(IPv4Network, ("203.0.113.0/24", "198.51.100.0/24", "192.0.2.0/24", "198.18.0.0/18")))
PUBLIC_IP = "Microsoft.Network/publicIPAddresses"


class AddressPool:
    """Hands out addresses and answers `seams.PublicAddresses`.

    Args:
        store: the resources; a public IP's address is in its body, so nothing else needs keeping.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._taken: set[str | None] | None = None
        self._from = 0

    def allocate(self) -> str:
        """The lowest address that no public IP resource has.

        Raises:
            RuntimeError: all are taken.
        """
        if self._taken is None:
            self._taken = {_address(resource.computed) for resource in self._store.of_type(PUBLIC_IP)}
        usable = _usable()
        for place in range(self._from, len(usable)):
            if usable[place] not in self._taken:
                self._from = place + 1
                self._taken.add(usable[place])
                return usable[place]
        raise RuntimeError("the emulated cloud has no public address left")

    def release(self, address: object) -> None:
        """Take an address back."""
        if self._taken is not None and isinstance(address, str) and address in self._taken:
            self._taken.remove(address)
            self._from = min(self._from, _usable().index(address))

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


@cache
def _usable() -> tuple[str, ...]:
    # .0 to .3 and the broadcast address stay free, as in Azure's own subnets.
    return tuple(str(net[host]) for net in RANGES for host in range(4, net.num_addresses - 1))

from __future__ import annotations

import pytest

from chainfleet.drivers.besu.genesis import build_genesis, genesis_text
from chainfleet.drivers.besu.manifests import Artefacts
from chainfleet.drivers.besu.peers import static_nodes_text
from chainfleet.model.besu.enode import format_enode
from chainfleet.model.besu.identity import PrivateKey


@pytest.fixture(scope="session")
def artefacts_of():
    """Full artefacts of a region: nothing is a placeholder."""

    def build(fleet, region):
        keys = [PrivateKey(bytes([7] * 28) + i.to_bytes(4, "big")) for i in range(fleet.validator_count)]
        hosts = [f"198.51.{i // 200}.{i % 200 + 1}" for i in range(fleet.validator_count)]
        addresses, first = {}, 0
        mine = {}
        for other in fleet.regions:
            count = fleet.validators_of(other)
            addresses[other.name] = hosts[first : first + count]
            if other.name == region.name:
                mine = dict(enumerate(keys[first : first + count]))
            first += count
        urls = [format_enode(k.public_key(), h, 30303) for k, h in zip(keys, hosts, strict=True)]
        return Artefacts(
            genesis=genesis_text(build_genesis(fleet, [k.address() for k in keys])),
            static_nodes=static_nodes_text(urls),
            addresses=addresses,
            public_ip_names=[f"{fleet.resource_prefix}-validator-{i}" for i in range(len(mine))],
            group=f"{fleet.resource_prefix}-{region.name}",
            peer_sources=hosts,
            keys=mine,
        )

    return build

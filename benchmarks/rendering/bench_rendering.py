"""How long rendering takes as a fleet grows: 48 to 1,000 validators, to files, as `chainfleet render` does.

python benchmarks/rendering/bench_rendering.py [--json]
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from chainfleet.drivers.besu.genesis import build_genesis, genesis_text
from chainfleet.drivers.besu.keys import KeyStore, system_randomness, validators_of
from chainfleet.drivers.besu.peers import enodes, static_nodes_text
from chainfleet.drivers.besu.render import write_rendered
from chainfleet.model.fleet import Fleet, Network, Region

SIZES = (48, 96, 200, 400, 1000)
PER_REGION = 2


def fleet_of(validators: int) -> Fleet:
    regions = tuple(Region(name=f"region{i}") for i in range(validators // PER_REGION))
    return Fleet(
        name="bench", network=Network(chain_id=138, validators_per_region=PER_REGION), regions=regions
    )


def measure(validators: int, folder: Path) -> dict[str, float | int]:
    fleet = fleet_of(validators)
    addresses = {
        region.name: [f"198.18.{i // 100}.{2 * (i % 100) + j + 1}" for j in range(PER_REGION)]
        for i, region in enumerate(fleet.regions)
    }
    started = time.perf_counter()
    made = KeyStore(folder / "workspace" / "besu" / "keys").ensure(validators_of(fleet), system_randomness)
    keys_s = time.perf_counter() - started
    started = time.perf_counter()
    genesis = genesis_text(build_genesis(fleet, [v.address for v in made]))
    peers = static_nodes_text(enodes(made, addresses, 30303))
    (folder / "workspace" / "besu" / "genesis.json").write_text(genesis)
    (folder / "workspace" / "besu" / "static-nodes.json").write_text(peers)
    network_s = time.perf_counter() - started
    started = time.perf_counter()
    result = write_rendered(fleet, folder / "out", workspace=folder / "workspace", addresses=addresses)
    render_s = time.perf_counter() - started
    size = sum(path.stat().st_size for path in result.files)
    return {
        "validators": validators,
        "keys_s": round(keys_s, 3),
        "genesis_and_peers_s": round(network_s, 3),
        "render_s": round(render_s, 3),
        "files": len(result.files),
        "mib": round(size / 2**20, 1),
    }


def main() -> None:
    rows = []
    for validators in (8, *SIZES):  # the first one warms imports and is thrown away
        with tempfile.TemporaryDirectory() as folder:
            rows.append(measure(validators, Path(folder)))
    rows = rows[1:]
    if "--json" in sys.argv[1:]:
        print(json.dumps(rows))
        return
    print(f"{'validators':>10} {'keys s':>8} {'genesis+peers s':>16} {'render s':>9} {'files':>6} {'MiB':>6}")
    for row in rows:
        print(
            f"{row['validators']:>10} {row['keys_s']:>8} {row['genesis_and_peers_s']:>16} "
            f"{row['render_s']:>9} {row['files']:>6} {row['mib']:>6}"
        )


if __name__ == "__main__":
    main()

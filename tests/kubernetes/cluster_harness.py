"""Regions of `cloud: kubeconfig` whose clusters are emulated API servers."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from chainfleet.drivers.driver import Attempt, Driver, Outcome
from chainfleet.drivers.kubernetes import clusters
from chainfleet.emulator.besu import BesuWorld
from chainfleet.emulator.chain.anvil import find_anvil
from chainfleet.emulator.clock import ScaledClock
from chainfleet.emulator.counters import Counters
from chainfleet.emulator.faults import FaultBook
from chainfleet.emulator.kubernetes import EmulatedClusters
from chainfleet.emulator.kubernetes.addresses import AddressBook
from chainfleet.emulator.seams import ClusterSpec, NodePool
from chainfleet.model.fleet import Deployment, Fleet, Network, Region
from chainfleet.model.task import Phase, Task

ROOT = Path(__file__).parents[2]


class _Addresses:
    """Whatever a region's Services ask for is theirs."""

    def __init__(self, fleet: Fleet) -> None:
        self._all = tuple(address for region in fleet.regions for address in region.addresses)

    def public_ip(self, *, resource_group: str, name: str) -> str | None:
        return None

    def public_ips(self, *, resource_group: str) -> tuple[str, ...]:
        return self._all


class EmulatedRegions:
    """Some regions with two validators each, and everything an attempt needs.

    Args:
        folder: for kubeconfig, workspace and logs.
        authority: signs the servers' certificates.
        names: of the regions.
        time_scale: how much faster the clusters are than reality.
        besu: whether containers run an emulated Besu (which takes anvil) or nothing in particular.
        fleet: parts of the fleet that differ from a plain one.
    """

    def __init__(
        self,
        folder: Path,
        authority: Any,
        *,
        names: tuple[str, ...] = ("alpha", "beta"),
        time_scale: float = 100.0,
        besu: bool = False,
        **fleet: Any,
    ) -> None:
        self.folder = folder
        regions = tuple(
            Region(
                name=name,
                cloud="kubeconfig",
                context=name,
                addresses=tuple(f"192.0.2.{10 * i + j}" for j in (1, 2)),
            )
            for i, name in enumerate(names)
        )
        self.fleet = Fleet(
            name="test-net",
            regions=regions,
            deployment=Deployment(time_scale=time_scale),
            **{"network": Network(chain_id=138), **fleet},
        )
        self.clock = self.make_clock(time_scale)
        self.faults = FaultBook(self.clock.now, changed=lambda: None)
        self.besu = self._besu() if besu else None
        options = {"programs": self.besu.program, "addresses": self.book} if self.besu else {}
        self.emulated = EmulatedClusters(
            clock=self.clock,
            faults=self.faults,
            public=_Addresses(self.fleet),
            tls=authority,
            traffic=Counters(),
            wall=self.wall,
            **options,
        )
        self.outputs: dict[str, dict[str, Any]] = {}
        self.logged: list[str] = []
        self.environ: dict[str, str] = {}

    def make_clock(self, time_scale: float) -> Any:
        """Emulated time."""
        return ScaledClock(time_scale)

    def wall(self) -> float:
        """The emulated time of day, in seconds since 1970."""
        return 1_800_000_000 + self.clock.now()

    def _besu(self) -> BesuWorld:
        self.book = AddressBook()
        anvil = find_anvil(os.environ, ROOT)
        return BesuWorld(
            clock=self.clock,
            addresses=self.book,
            anvil=anvil,
            folder=self.folder,
            wall=self.wall,
            faults=self.faults,
        )

    async def __aenter__(self) -> EmulatedRegions:
        endpoints = {}
        for region in self.fleet.regions:
            spec = ClusterSpec(f"/clusters/{region.name}", region.name, region.name, "rg", "1.34")
            endpoints[region.name] = await self.emulated.open(spec)
            await self.emulated.set_nodes(spec.id, {"validators": NodePool(2)})
        (self.folder / "kubeconfig").write_text(json.dumps(_kubeconfig(endpoints)))
        return self

    async def __aexit__(self, *_: object) -> None:
        await clusters().close()
        await self.emulated.stop()
        if self.besu is not None:
            await self.besu.stop()

    def attempt(self, task_id: str, *, number: int = 1, timeout_s: float = 30.0) -> Attempt:
        phase = Phase(task_id.split("/", 1)[0])
        return Attempt(
            task=Task(task_id, phase, timeout_s=timeout_s),
            number=number,
            fleet=self.fleet,
            workspace=self.folder / "workspace",
            log_file=self.folder / "log",
            parallelism=4,
            environ={"KUBECONFIG": str(self.folder / "kubeconfig"), **self.environ},
            outputs=self.outputs.__getitem__,
            log=self.logged.append,
            fence=lambda: None,
            observed=lambda _: None,
            progress=lambda _: None,
        )

    async def run(self, driver: Driver, task_id: str) -> Outcome:
        """Observe, change if need be, and remember the outputs, as the runtime does."""
        attempt = self.attempt(task_id)
        outcome = await driver.observe(attempt) or await driver.change(attempt)
        json.dumps(dict(outcome.outputs))
        self.outputs[task_id] = dict(outcome.outputs)
        return outcome

    async def cluster(self, name: str) -> Any:
        return await clusters().of(self.attempt(f"kubernetes/base/{name}"), self.fleet.region(name))

    def changes(self) -> int:
        """Writes that changed something, over all clusters."""
        return sum(stats["changes"] for stats in self.emulated.stats().values())


def _kubeconfig(endpoints: dict[str, Any]) -> dict[str, Any]:
    import base64

    def cluster(endpoint: Any) -> dict[str, Any]:
        authority = base64.b64encode(endpoint.ca_pem.encode()).decode()
        return {"server": endpoint.server, "certificate-authority-data": authority}

    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": n, "cluster": cluster(e)} for n, e in endpoints.items()],
        "users": [{"name": n, "user": {"token": e.token}} for n, e in endpoints.items()],
        "contexts": [{"name": n, "context": {"cluster": n, "user": n}} for n in endpoints],
    }

"""What the Terraform tests share: an emulated cloud, and a workbench that makes attempts on it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from chainfleet.drivers.driver import Attempt, Outcome
from chainfleet.drivers.terraform import TerraformDriver
from chainfleet.emulator.client import Running, start
from chainfleet.model.event import LimitObserved
from chainfleet.model.fleet import Fleet
from chainfleet.model.task import Demand, Phase, Task
from chainfleet.runtime.operations import scaled

DEMANDS = (Demand("infrastructure/slots"), Demand("azure/arm/write", 5), Demand("azure/arm/read", 10))

_numbers = count(1)


@pytest.fixture(scope="session")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with start(tmp_path_factory.mktemp("cloud"), time_scale=600.0, parts="arm,azapi") as running:
        yield running


class Workbench:
    """Attempts of the driver for a fleet of its own, in a workspace of its own."""

    def __init__(self, fleet: Fleet, workspace: Path, cloud: Running) -> None:
        self.fleet = fleet
        self.workspace = workspace
        self.cloud = cloud
        self.environ: dict[str, str] = {**os.environ, **cloud.environment}
        self.driver = TerraformDriver()
        self.outputs: dict[str, Mapping[str, Any]] = {}
        self.log: list[str] = []
        self.progress: list[str] = []
        self.observed: list[LimitObserved] = []
        self.fenced = 0

    def attempt(self, action: str, region: str) -> Attempt:
        def fence() -> None:
            self.fenced += 1

        return Attempt(
            task=Task(
                f"infrastructure/{action}/{region}", Phase.INFRASTRUCTURE, region=region, demands=DEMANDS
            ),
            number=1,
            fleet=self.fleet,
            workspace=self.workspace,
            log_file=self.workspace / "attempt.log",
            parallelism=10,
            environ=self.environ,
            outputs=self.outputs.__getitem__,
            log=self.log.append,
            fence=fence,
            observed=self.observed.append,
            progress=self.progress.append,
        )

    async def change(self, action: str, region: str) -> Outcome:
        outcome = await self.driver.change(self.attempt(action, region))
        self.outputs[f"infrastructure/{action}/{region}"] = outcome.outputs
        return outcome

    async def observe(self, action: str, region: str) -> Outcome | None:
        return await self.driver.observe(self.attempt(action, region))

    async def undo(self, action: str, region: str) -> Outcome:
        return await self.driver.undo(self.attempt(action, region))

    def root(self, region: str, stage: str) -> Path:
        return self.workspace / "terraform" / region / stage

    def resources(self) -> list[str]:
        """Ids of what ARM holds of this fleet, without the resource groups' own prefix, sorted."""
        found = self.cloud.control("/resources")["resources"]
        prefix = f"/{self.fleet.resource_prefix}-"
        return sorted(item["id"] for item in found if f"/resourceGroups{prefix}" in item["id"])

    def writes(self) -> int:
        """Calls so far that may change something."""
        by_verb = self.cloud.control("/stats")["requests"]["by_verb"]
        return sum(number for verb, number in by_verb.items() if verb in ("PUT", "PATCH", "DELETE"))

    def fault(self, **values: Any) -> None:
        self.cloud.control("/faults", "POST", [values])


@pytest.fixture
def workbench(cloud: Running, chain_138: Fleet, tmp_path: Path) -> Iterator[Workbench]:
    """A fleet of one's own name, so that tests share the cloud and not the resources."""
    fleet = scaled(chain_138, 600.0).model_copy(update={"name": f"test-{next(_numbers)}"})
    yield Workbench(fleet, tmp_path, cloud)
    cloud.control("/faults", "DELETE")

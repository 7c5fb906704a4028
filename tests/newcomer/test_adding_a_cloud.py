"""Worked example: all that a cloud has to have. Add its name to `Cloud` and run this: it says what is missing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from chainfleet.drivers.terraform.modules import modules_folder
from chainfleet.model.errors import FleetError
from chainfleet.model.event import Verdict
from chainfleet.model.fleet import Cloud, Clouds
from chainfleet.model.fleet_file import LoadedFleet, load_fleet
from chainfleet.scheduling.planning import make_plan
from chainfleet.scheduling.rehearsal import rehearse

NAMES = {"azure": ("northeurope", "westeurope"), "aws": ("eu-west-1", "eu-central-1"), "gcp": ("europe-west1", "europe-west4")}  # fmt: skip
CLOUDS = [cloud for cloud in get_args(Cloud) if cloud != "kubeconfig"]


def fleet_in(cloud: str, first: str, second: str) -> LoadedFleet:
    """The smallest fleet there: two regions with two validators each."""
    text = f"""
name: small
network: {{chain_id: 1138}}
regions:
  - {{name: {first}, cloud: {cloud}}}
  - {{name: {second}, cloud: {cloud}}}
"""
    return load_fleet("fleet.yaml", lambda _: text, {})


def declared(kind: str, folder: Path) -> set[str]:
    """Names of the `variable` or `output` blocks of a module."""
    return {
        name
        for file in folder.glob("*.tf")
        for name in re.findall(rf'^{kind} "(\w+)"', file.read_text(), re.MULTILINE)
    }


# --8<-- [start:cloud]
@pytest.mark.parametrize("cloud", CLOUDS)
def test_a_cloud_has_all_that_it_needs(cloud: str) -> None:
    assert cloud in NAMES, "name two of its regions above"
    loaded = fleet_in(cloud, *NAMES[cloud])

    settings = Clouds().settings_of(cloud)  # model/fleet.py: a class of settings, with kinds of machines
    assert settings.validator_vm_size
    assert Clouds().account_of(cloud).startswith("${"), "the account comes from the environment"
    assert loaded.unresolved, "model/fleet_file.py: _ACCOUNTS names the account's variable"

    plan = make_plan(loaded.fleet, loaded.revision)
    limits = {limit.name for limit in plan.limits if limit.name.startswith(f"{cloud}/")}
    assert limits, "scheduling/planning/limits.py: what its API takes, with the source"
    drawn = {demand.limit for task in plan.tasks for demand in task.demands}
    assert limits <= drawn
    assert rehearse(plan, seed=1).verdict is Verdict.SUCCEEDED


@pytest.mark.parametrize("stage", ["network", "region"])
@pytest.mark.parametrize("cloud", CLOUDS)
def test_its_modules_leave_what_the_drivers_read(cloud: str, stage: str) -> None:
    """terraform/CLOUD/network and terraform/CLOUD/region: the same inputs and outputs in every cloud."""
    module, model = modules_folder() / cloud / stage, modules_folder() / "azure" / stage
    for kind in ("variable", "output"):
        assert len(declared(kind, model)) > 5
        assert declared(kind, module) == declared(kind, model), f"{module}: {kind}s differ"


# --8<-- [end:cloud]


@pytest.mark.parametrize("cloud", [cloud for cloud in CLOUDS if cloud != "azure"])
def test_a_region_s_name_is_checked_as_its_cloud_writes_it(cloud: str) -> None:
    with pytest.raises(FleetError, match="is no region of cloud"):
        fleet_in(cloud, "nowhere", "elsewhere")

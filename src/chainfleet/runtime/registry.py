"""Which driver carries out which task; drivers are imported when first needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import cast

from chainfleet.drivers.driver import Driver
from chainfleet.model.errors import PlanError
from chainfleet.model.task import Phase, Task

DriverOf = Callable[[Task], Driver]

_DRIVERS = {
    Phase.INFRASTRUCTURE: ("chainfleet.drivers.terraform", "TerraformDriver"),
    Phase.KUBERNETES: ("chainfleet.drivers.kubernetes", "KubernetesDriver"),
    Phase.BESU: ("chainfleet.drivers.besu", "BesuDriver"),
    Phase.CONTRACTS: ("chainfleet.drivers.contracts", "ContractsDriver"),
    Phase.MONITORING: ("chainfleet.drivers.monitoring", "MonitoringDriver"),
    Phase.VERIFICATION: ("chainfleet.drivers.verification", "VerificationDriver"),
}


@cache
def _driver(phase: Phase) -> Driver:
    try:
        module, name = _DRIVERS[phase]
    except KeyError:
        raise PlanError(f"no driver carries out phase `{phase}`") from None
    return cast("Driver", getattr(import_module(module), name)())


def driver_of(task: Task) -> Driver:
    """The driver of a task."""
    return _driver(task.phase)

"""Which driver carries out which task.

A driver and the libraries behind it are imported when first needed, and in a thread of their own: some of those imports
take a second, and the coordinator must not stand still meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import cast

from chainfleet.drivers.driver import Driver
from chainfleet.model.task import Phase, Task

DriverOf = Callable[[Task], Awaitable[Driver]]

_CLUSTER = ("azure.identity", "azure.core.rest", "lightkube", "chainfleet.drivers.kubernetes.client")
DRIVERS = {
    Phase.INFRASTRUCTURE: (
        "chainfleet.drivers.terraform",
        "TerraformDriver",
        ("azure.identity", "azure.core.rest"),
    ),
    Phase.KUBERNETES: ("chainfleet.drivers.kubernetes", "KubernetesDriver", _CLUSTER),
    Phase.BESU: ("chainfleet.drivers.besu", "BesuDriver", _CLUSTER),
    Phase.CONTRACTS: (
        "chainfleet.drivers.contracts",
        "ContractsDriver",
        ("eth_account", "eth_abi", *_CLUSTER),
    ),
    Phase.MONITORING: ("chainfleet.drivers.monitoring", "MonitoringDriver", _CLUSTER),
    Phase.VERIFICATION: ("chainfleet.drivers.verification", "VerificationDriver", ("eth_abi", *_CLUSTER)),
}
"""Of each phase: where its driver is, its class, and the libraries that are imported with it."""


class Drivers:
    """The drivers of one run, made when first asked for."""

    def __init__(self) -> None:
        self._made: dict[Phase, asyncio.Future[Driver]] = {}

    async def of(self, task: Task) -> Driver:
        """The driver of a task."""
        if task.phase not in self._made:
            self._made[task.phase] = asyncio.ensure_future(asyncio.to_thread(_make, task.phase))
        # Shielded: an attempt that is cancelled must not take the driver from the others.
        return await asyncio.shield(self._made[task.phase])

    async def close(self) -> None:
        """Close the connections that drivers of clusters share, if any were opened."""
        if any(phase is not Phase.INFRASTRUCTURE for phase in self._made):
            from chainfleet.drivers.kubernetes import clusters

            await clusters().close()


def _make(phase: Phase) -> Driver:
    module, name, libraries = DRIVERS[phase]
    driver = cast("Driver", getattr(import_module(module), name)())
    for library in libraries:
        import_module(library)
    return driver

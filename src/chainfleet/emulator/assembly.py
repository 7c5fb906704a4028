"""Puts the parts of the emulated cloud together, and takes them apart again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

import psutil

from . import background
from .arm.resources import Store
from .arm.service import Arm, Listeners
from .arm.vaults import KeyVaults
from .clock import ScaledClock
from .control import Control, Controls
from .core import Core
from .counters import Counters
from .environment import environment
from .faults import FaultBook
from .owners import Owners
from .parts import Shared, make_clusters, open_mainnet, open_terraform
from .profiles import named_faults
from .serving import Server, bound
from .settings import Settings
from .state import Keeper, StateFolder
from .tls import Authority, write_private

log = logging.getLogger(__name__)


class Assembly:
    """All parts of one emulator.

    Args:
        stop: asks the process to end (control API).
        owners: who uses it.
    """

    def __init__(
        self, settings: Settings, folder: StateFolder, stop: Callable[[], None], owners: Owners
    ) -> None:
        self._settings = settings
        self._owners = owners
        self._folder = folder
        self._stop = stop
        self._keeper = Keeper(folder)
        self._closing = contextlib.AsyncExitStack()
        self._began = time.monotonic()
        # Held until everything answers: nothing comes due while parts are starting.
        self.clock = ScaledClock(settings.time_scale, held=True)

    async def start(self) -> dict[str, Any]:
        """Start everything; returns the facts of the ready line.

        Raises:
            ChainfleetError: a part can't start.
        """
        core = Core(self.clock)
        resumed = self._keeper.keep("core", core)
        core.fill()
        counters = Counters()
        faults = FaultBook(self.clock.now, seed=self._settings.seed, changed=self._keeper.dirty("faults"))
        self._keeper.keep("faults", faults)
        if self._settings.faults is not None:
            _add_fault_set(core, faults, self._settings.faults, self.clock.now())
        authority = Authority(self._folder.path)
        shared = self._shared(core, faults, counters, authority)
        listeners = Listeners(**{name: bound(core.ports.get(name, 0)) for name in ("arm", "login", "vault")})
        core.ports |= listeners.ports
        shared.vaults.base = listeners.vaults
        variables = environment(listeners, core, authority, self._folder.path)
        # Its process starts while this one is busy with the rest.
        terraform = asyncio.create_task(open_terraform(shared, variables))
        self._closing.push_async_callback(background.stop, terraform)
        variables |= await open_mainnet(shared)
        arm = await self._arm(shared, authority, listeners)
        if resumed:
            await arm.reopen_clusters()
        variables |= await terraform
        control = await self._control(arm, counters, faults, shared)
        self.clock.go()
        self._keeper.write_all()
        self._keeper.start()
        return self._ready(variables, control)

    async def stop(self) -> None:
        """Stop all parts, children included, and write the state."""
        await self._closing.aclose()
        await self._keeper.stop()

    def _shared(self, core: Core, faults: FaultBook, counters: Counters, authority: Authority) -> Shared:
        store = Store()
        return Shared(
            settings=self._settings,
            clock=self.clock,
            faults=faults,
            store=store,
            vaults=KeyVaults(store, core.fill(), core.wall, self._keeper.dirty("arm")),
            tls=authority,
            traffic=counters,
            keeper=self._keeper,
            core=core,
            folder=self._folder.path,
            closing=self._closing,
            figures={},
        )

    async def _arm(self, shared: Shared, authority: Authority, listeners: Listeners) -> Arm:
        clusters, begin = make_clusters(shared)
        arm = Arm(
            directory=shared.core.fill(),
            store=shared.store,
            clock=self.clock,
            faults=shared.faults,
            traffic=shared.traffic,
            clusters=clusters,
            vaults=shared.vaults,
            seed=self._settings.seed,
            changed=self._keeper.dirty("arm"),
        )
        self._keeper.keep("arm", arm)
        await begin()
        await arm.start(authority.server_context(), listeners)
        self._closing.push_async_callback(arm.stop)
        return arm

    async def _control(self, arm: Arm, counters: Counters, faults: FaultBook, shared: Shared) -> Any:
        token = secrets.token_urlsafe(24)
        process = psutil.Process()

        def health() -> dict[str, Any]:
            times = process.cpu_times()
            return {
                "ok": True,
                "pid": os.getpid(),
                "uptime_s": round(time.monotonic() - self._began, 3),
                "emulated_s": round(self.clock.now(), 3),
                "time_scale": self.clock.time_scale,
                "memory_mib": round(process.memory_info().rss / 2**20, 1),
                "cpu_s": round(times.user + times.system, 3),
                "pending_operations": arm.pending,
                "last_snapshot_s": round(self._keeper.last_write_s, 4),
            }

        controls = Controls(
            token=token,
            now=self.clock.now,
            health=health,
            counters=counters,
            faults=faults,
            add_fault_set=lambda name: _add_fault_set(shared.core, faults, name, self.clock.now()),
            directory=shared.core.fill(),
            figures=lambda: {name: tell() for name, tell in shared.figures.items()},
            resources=arm.resources,
            quotas=arm.world.quotas.overrides,
            changed=self._keeper.write_soon_all,
            stop=self._stop,
            owners=self._owners,
        )
        server = await Server.start(Control(controls).handle)
        self._closing.push_async_callback(server.stop)
        return {"url": f"http://127.0.0.1:{server.port}", "token": token, "pid": os.getpid()}

    def _ready(self, variables: Mapping[str, str], control: Mapping[str, Any]) -> dict[str, Any]:
        environment_file = self._folder.path / "environment.json"
        control_file = self._folder.path / "control.json"
        write_private(environment_file, json.dumps(variables, indent=2).encode())
        write_private(control_file, json.dumps(control, indent=2).encode())
        return {
            "ready": True,
            "pid": os.getpid(),
            "environment_file": str(environment_file),
            "control_file": str(control_file),
            "control_url": control["url"],
            "arm": variables["ARM_RESOURCE_MANAGER_ENDPOINT"],
            "mainnet": variables.get("MAINNET_RPC_URL"),
            "startup_s": round(time.monotonic() - self._began, 3),
        }


def _add_fault_set(core: Core, faults: FaultBook, name: str, now: float) -> None:
    """Add a named set of faults, once in the life of the cloud."""
    if name in core.fault_sets:
        return
    for fault in named_faults(name, now=now):
        faults.add(fault)
    core.fault_sets.append(name)

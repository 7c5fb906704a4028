"""What of the emulator itself survives a restart."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping

from .arm.identity import Directory
from .clock import ScaledClock


class Core:
    """What of the emulator itself survives a restart: time, identities, keys, ports (`seams.Durable`)."""

    def __init__(self, clock: ScaledClock) -> None:
        self._clock = clock
        self.directory: Directory | None = None
        self.deployer_key = ""
        self.epoch = 0.0
        self.ports: dict[str, int] = {}
        self.fault_sets: list[str] = []

    def fill(self) -> Directory:
        """Make what a first start needs."""
        if self.directory is None:
            self.directory = Directory()
            self.deployer_key = "0x" + secrets.token_hex(32)
            self.epoch = time.time()
        return self.directory

    def wall(self) -> float:
        """The emulated time of day: seconds since 1970, running `time_scale` times as fast as ours."""
        return self.epoch + self._clock.now()

    def dump(self) -> object:
        """State as JSON values; holds secrets."""
        return {
            "now": self._clock.now(),
            "directory": self.fill().dump(),
            "deployer_key": self.deployer_key,
            "epoch": self.epoch,
            "ports": self.ports,
            "fault_sets": self.fault_sets,
        }

    def load(self, state: object) -> None:
        """Take up a state that `dump` gave."""
        if not isinstance(state, Mapping):
            raise TypeError("state of the core isn't an object")
        self._clock.restart_at(float(state["now"]))
        self.directory = Directory(state["directory"])
        self.deployer_key = state["deployer_key"]
        self.epoch = float(state["epoch"])
        self.ports = dict(state["ports"])
        self.fault_sets = list(state["fault_sets"])

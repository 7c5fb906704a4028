"""Emulated time: a monotonic clock that runs `time_scale` times as fast as reality and survives a restart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class ScaledClock:
    """Emulated seconds since the emulator's epoch.

    Args:
        time_scale: emulated seconds per real second, above 0.
        held: whether it stands still until `go`.
        monotonic: real clock in seconds; an argument for tests.
    """

    def __init__(
        self, time_scale: float, *, held: bool = False, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        if not time_scale > 0:
            raise ValueError(f"time scale must be above 0, not {time_scale}")
        self._scale = time_scale
        self._monotonic = monotonic
        self._start = 0.0
        self._origin: float | None = None if held else monotonic()

    @property
    def time_scale(self) -> float:
        """Emulated seconds per real second."""
        return self._scale

    def now(self) -> float:
        """Emulated seconds since the emulator's epoch."""
        if self._origin is None:
            return self._start
        return self._start + (self._monotonic() - self._origin) * self._scale

    def restart_at(self, emulated_s: float) -> None:
        """Go on from that emulated second: now, or with `go` if it is held."""
        self._start = emulated_s
        if self._origin is not None:
            self._origin = self._monotonic()

    def go(self) -> None:
        """Let time pass."""
        if self._origin is None:
            self._origin = self._monotonic()

    def real(self, emulated_s: float) -> float:
        """How many real seconds that many emulated seconds take."""
        return emulated_s / self._scale

    async def sleep(self, emulated_s: float) -> None:
        """Wait that many emulated seconds."""
        await asyncio.sleep(max(0.0, emulated_s) / self._scale)

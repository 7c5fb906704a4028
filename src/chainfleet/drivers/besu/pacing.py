"""Waits in real time, shortened where the cloud's time runs faster."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from chainfleet.drivers.driver import Attempt
from chainfleet.model.errors import ErrorClass, TaskFailed

_FLOOR_S = 0.2
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the other side's time runs.

    Attributes:
        time_scale: its seconds per second of ours; 1 is reality.
    """

    time_scale: float = 1.0

    @classmethod
    def of(cls, attempt: Attempt) -> Pace:
        """Return the pace of an attempt's fleet."""
        return cls(attempt.fleet.deployment.time_scale)

    def scaled(self, seconds: float, *, least: float = _FLOOR_S) -> float:
        """Return how long that many seconds of the other side take, in ours."""
        return max(least, seconds / self.time_scale)

    async def until_answer(self, ask: Callable[[], Awaitable[Answer]], timeout_s: float) -> Answer:
        """Ask again until there is an answer.

        Raises:
            TaskFailed: what the last try said, when the time is over; or at once what can't pass.
        """
        deadline, pause = time.monotonic() + timeout_s, self.scaled(1)
        while True:
            try:
                return await ask()
            except TaskFailed as error:
                passing = error.error_class in (
                    ErrorClass.CHAIN_NOT_READY,
                    ErrorClass.TRANSIENT,
                    ErrorClass.TIMEOUT,
                )
                if not passing or time.monotonic() + pause > deadline:
                    raise
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, self.scaled(10, least=1))

"""A driver whose world is a folder: one file per task, so that what happened can be counted from outside."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

from chainfleet.drivers.driver import Attempt, Outcome
from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.event import Command, Event


class FolderDriver:
    """`change` writes `<task>` into the folder and appends to `<task>.effects`; faults are said by name."""

    def __init__(
        self, folder: Path, *, seconds: float = 0.0, faults: dict[str, list[ErrorClass]] | None = None
    ) -> None:
        self.folder = folder
        self.seconds = seconds
        self.faults = faults or {}
        self.running = 0
        self.most = 0

    def _file(self, attempt: Attempt) -> Path:
        return self.folder / attempt.task.id.replace("/", ".")

    async def observe(self, attempt: Attempt) -> Outcome | None:
        return Outcome({"genesis_hash": "0x1"}) if self._file(attempt).exists() else None

    async def change(self, attempt: Attempt) -> Outcome:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            attempt.progress("half-way")
            if self.seconds:
                await asyncio.sleep(random.Random(attempt.task.id).uniform(0.2, 1.8) * self.seconds)
            planned = self.faults.get(attempt.task.id)
            if planned:
                error_class = planned.pop(0)
                if error_class is ErrorClass.INTERNAL:
                    raise ValueError("a driver's own mistake")
                raise TaskFailed(error_class, f"planned {error_class.value}")
            attempt.fence()
            with (self.folder / f"{self._file(attempt).name}.effects").open("a") as stream:
                stream.write(f"{attempt.number}\n")
            self._file(attempt).touch()
        finally:
            self.running -= 1
        return Outcome({"genesis_hash": "0x1"})

    async def undo(self, attempt: Attempt) -> Outcome:
        self._file(attempt).unlink(missing_ok=True)
        return Outcome()

    def effects(self) -> dict[str, int]:
        return {path.stem: len(path.read_text().splitlines()) for path in self.folder.glob("*.effects")}


class Recorder:
    """An observer that keeps everything."""

    def __init__(self) -> None:
        self.things: list[Event | Command] = []

    def see(self, at: float, things: Sequence[Event | Command]) -> None:
        self.things += things

"""How the engine says what it decided: a seam between integers inside and commands with names outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from chainfleet.model.event import (
    CancelAttempt,
    Command,
    Finish,
    Incident,
    OpenGate,
    StartAttempt,
    StateChanged,
    WakeAt,
)
from chainfleet.model.task import Task

from .board import Change
from .codes import BACKING_OFF, NAMES
from .units import seconds


class Speaker(Protocol):
    """Is told each decision, in order. Tasks are integer ids, moments are microseconds."""

    def changed(self, changes: Sequence[Change], retry_at: Mapping[int, int]) -> None:
        """Tasks went to other states."""
        ...

    def start(self, task: int, attempt: int) -> None:
        """An attempt begins."""
        ...

    def stop(self, task: int, attempt: int, reason: str) -> None:
        """An attempt is to be stopped."""
        ...

    def gate(self, task: int) -> None:
        """A gate is reached."""
        ...

    def wake(self, at: int) -> None:
        """Time alone makes something possible at that moment."""
        ...

    def incident(self, message: str, tasks: tuple[str, ...], fingerprint: str) -> None:
        """Something a person should see once."""
        ...

    def finish(self, finish: Finish) -> None:
        """The run is over."""
        ...


class Parallelism(Protocol):
    """Says how many calls at once an attempt may make."""

    def __call__(self, task: int) -> int:
        """Calls at once for an attempt of that task that begins now."""
        ...


class Commands:
    """Speaks in the commands of `model.event`.

    Args:
        tasks: the plan's tasks.
        parallelism: asked at each start.
    """

    def __init__(self, tasks: Sequence[Task], parallelism: Parallelism) -> None:
        self._tasks = tasks
        self._parallelism = parallelism
        self._said: list[Command] = []

    def take(self) -> list[Command]:
        """What was said since the last call."""
        said, self._said = self._said, []
        return said

    def changed(self, changes: Sequence[Change], retry_at: Mapping[int, int]) -> None:
        """Tasks went to other states."""
        for task, state, reason in changes:
            at = retry_at.get(task) if state == BACKING_OFF else None
            moment = None if at is None else seconds(at)
            self._said.append(StateChanged(self._tasks[task].id, NAMES[state], reason, moment))

    def start(self, task: int, attempt: int) -> None:
        """An attempt begins."""
        what = self._tasks[task]
        self._said.append(StartAttempt(what.id, attempt, what.timeout_s, self._parallelism(task)))

    def stop(self, task: int, attempt: int, reason: str) -> None:
        """An attempt is to be stopped."""
        self._said.append(CancelAttempt(self._tasks[task].id, attempt, reason))

    def gate(self, task: int) -> None:
        """A gate is reached."""
        self._said.append(OpenGate(self._tasks[task].id))

    def wake(self, at: int) -> None:
        """Time alone makes something possible at that moment."""
        self._said.append(WakeAt(seconds(at)))

    def incident(self, message: str, tasks: tuple[str, ...], fingerprint: str) -> None:
        """Something a person should see once."""
        self._said.append(Incident(message, tasks, fingerprint))

    def finish(self, finish: Finish) -> None:
        """The run is over."""
        self._said.append(finish)

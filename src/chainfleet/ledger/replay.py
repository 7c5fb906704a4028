"""Plays a run's log through a fresh scheduler: every decision must come out as it was recorded."""

from __future__ import annotations

import typing
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from chainfleet.model.errors import LedgerError
from chainfleet.model.event import Command, Event, RunStarted, WakeAt
from chainfleet.model.task import Plan
from chainfleet.scheduling.scheduler import SEARCH, Scheduler

from .codec import decode
from .store import Record

_EVENTS = typing.get_args(Event)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay went through: events told, decisions compared, processes that worked on the run."""

    events: int
    decisions: int
    processes: int


class _Player:
    """Feeds events to a scheduler and compares what it decides with what was recorded."""

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.scheduler: Scheduler | None = None
        self.events = self.decisions = self.processes = 0
        self._due: deque[Command] = deque()

    def see(self, record: Record) -> None:
        """Take one record of the log; LedgerError if it is not what would have happened."""
        thing = decode(record.body)
        if isinstance(thing, Plan):
            self.plan = thing
        elif isinstance(thing, _EVENTS):
            self._tell(record, thing)
        else:
            decision = self._due.popleft() if self._due else None
            if decision != thing:
                raise _differs(record, f"recorded {thing}, now {decision}")
            self.decisions += 1

    def _tell(self, record: Record, event: Event) -> None:
        if self._due:
            raise _differs(record, f"a replay decides {self._due[0]} before it")
        if isinstance(event, RunStarted):
            if self.plan is None:
                raise _differs(record, "a run begins before its plan")
            self.scheduler = Scheduler(self.plan, effort=SEARCH)
            self.processes += 1
        if self.scheduler is None:
            raise _differs(record, "an event comes before the run begins")
        caused = self.scheduler.handle(event, record.at)
        self._due.extend(c for c in caused if not isinstance(c, WakeAt))
        self.events += 1

    def check_end(self) -> None:
        """Nothing more would have been decided."""
        if self._due:
            raise LedgerError(
                f"the log ends, yet a replay goes on with {self._due[0]}",
                way_out="export the run again: it is cut off, or of another version",
            )


def replay(records: Iterable[Record]) -> Replayed:
    """Drive a scheduler from the log of one run.

    Raises:
        LedgerError: a decision came out differently; the message names the record.
    """
    player = _play(records)
    player.check_end()
    return Replayed(player.events, player.decisions, player.processes)


def replayed_scheduler(records: Iterable[Record]) -> Scheduler | None:
    """The scheduler of a run as its log leaves it; None before the run has begun. Raises like `replay`."""
    return _play(records).scheduler


def _play(records: Iterable[Record]) -> _Player:
    player = _Player()
    for record in records:
        if record.kind == "record":
            player.see(record)
    return player


def _differs(record: Record, what: str) -> LedgerError:
    way_out = (
        "another version of chainfleet wrote it, or the log was changed; `chainfleet export FLEET` shows it"
    )
    return LedgerError(f"record {record.seq} does not replay: {what}", way_out=way_out)

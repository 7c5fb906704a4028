"""Plays a run's log through a fresh scheduler: every decision must come out as it was recorded."""

from __future__ import annotations

import typing
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from chainfleet.model.errors import LedgerError
from chainfleet.model.event import Command, Event, RunStarted, WakeAt
from chainfleet.model.task import Plan
from chainfleet.scheduling.scheduler import Scheduler

from .codec import decode
from .store import Record

_EVENTS = typing.get_args(Event)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay went through: events told, decisions compared, processes that worked on the run."""

    events: int
    decisions: int
    processes: int


def replay(records: Iterable[Record]) -> Replayed:
    """Drive a scheduler from the log of one run.

    Raises:
        LedgerError: a decision came out differently; the message names the record.
    """
    plan: Plan | None = None
    scheduler: Scheduler | None = None
    due: deque[Command] = deque()
    events = decisions = processes = 0
    for record in records:
        if record.kind != "record":
            continue
        thing = decode(record.body)
        if isinstance(thing, Plan):
            plan = thing
        elif isinstance(thing, _EVENTS):
            _none_left(record, due)
            if isinstance(thing, RunStarted):
                if plan is None:
                    raise _differs(record, "a run begins before its plan")
                scheduler, processes = Scheduler(plan), processes + 1
            if scheduler is None:
                raise _differs(record, "an event comes before the run begins")
            due.extend(c for c in scheduler.handle(thing, record.at) if not isinstance(c, WakeAt))
            events += 1
        else:
            decision = due.popleft() if due else None
            if decision != thing:
                raise _differs(record, f"recorded {thing}, now {decision}")
            decisions += 1
    if due:
        raise LedgerError(f"the log ends, yet a replay goes on with {due[0]}")
    return Replayed(events, decisions, processes)


def _none_left(record: Record, due: deque[Command]) -> None:
    if due:
        raise _differs(record, f"a replay decides {due[0]} before it")


def _differs(record: Record, what: str) -> LedgerError:
    way_out = "another version of chainfleet wrote it, or the log was changed; `chainfleet export` shows it"
    return LedgerError(f"record {record.seq} does not replay: {what}", way_out=way_out)

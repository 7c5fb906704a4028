"""One environment as the portal holds it: its folder, its ledger, and what was read of both."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from chainfleet.ledger.codec import decode
from chainfleet.ledger.database import identity
from chainfleet.ledger.environment import EnvironmentView
from chainfleet.ledger.outside import Outside
from chainfleet.model.environment import RevisionMade, RunAsked
from chainfleet.model.event import Finish
from chainfleet.runtime.environments import FLEET_FILE
from chainfleet.runtime.state import StateFolder
from chainfleet.runtime.targets import DEFAULT_TIME_SCALE, TargetOptions

from ..models.environments import TargetSettings
from ..problems import not_found
from ..runs.view import PortalView

PATIENCE_S = 5.0
"""Seconds that a page waits for a database that is away: one that only starts again is back by then."""
_RUNS_KEPT = 24
"""Runs whose projection is kept in memory."""


@dataclass(frozen=True, slots=True)
class Book:
    """A run as read, and up to which record."""

    view: PortalView
    seq: int


class Desk:
    """An environment: `name` is that of its folder.

    Raises on opening:
        LedgerError, EnvironmentProblem: see `Outside`.
    """

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.state = StateFolder(root)
        self.ledger = Outside(self.state.ledger, patience_s=PATIENCE_S)
        self.inode = identity(self.state.ledger)
        self._lock = threading.RLock()
        self._environment = EnvironmentView()
        self._books: OrderedDict[str, Book] = OrderedDict()
        self._outputs: dict[str, dict[str, Any]] = {}
        self._outputs_seq = 0

    def close(self) -> None:
        """Give everything back."""
        self.ledger.close()

    def environment(self) -> EnvironmentView:
        """What happened to the environment itself, up to now."""
        with self._lock:
            for record in self.ledger.environment(after=self._environment.last):
                self._environment.apply(record)
            return self._environment

    def revision(self) -> RevisionMade | None:
        """The present revision; None where the ledger holds no document."""
        return self.environment().revision

    def runs(self) -> list[str]:
        """Names of runs, oldest first; those asked for that have not begun yet come last."""
        begun = self.ledger.runs()
        known = set(begun)
        return begun + [name for name in self.environment().asked if name not in known]

    def asked(self, run: str) -> tuple[float, RunAsked] | None:
        """Who asked for a run and when; None where the command line started it."""
        return self.environment().asked.get(run)

    def book(self, run: str) -> Book:
        """A run as it stands.

        Raises:
            ProblemError: there is no such run.
        """
        with self._lock:
            book = self._books.pop(run, None) or Book(PortalView(run), 0)
            seq = book.seq
            for record in self.ledger.records(run=run, after=seq):
                book.view.apply(record)
                seq = record.seq
            if seq == 0 and self.asked(run) is None:
                raise not_found("run", run)
            self._books[run] = Book(book.view, seq)
            while len(self._books) > _RUNS_KEPT:
                self._books.popitem(last=False)
            return self._books[run]

    def book_at(self, run: str, seq: int) -> Book:
        """A run as it stood at a sequence number.

        Raises:
            ProblemError: there is no such run, or it had not begun.
        """
        view, last = PortalView(run), 0
        for record in self.ledger.records(run=run, until=seq):
            view.apply(record)
            last = record.seq
        if last == 0:
            raise not_found("run", run)
        return Book(view, last)

    def outputs(self) -> dict[str, dict[str, Any]]:
        """What finished tasks left behind; clusters and contracts are found by it."""
        with self._lock:
            for record in self.ledger.outputs(after=self._outputs_seq):
                self._outputs_seq = record.seq
                if record.run.endswith("-destroy"):
                    self._outputs.pop(record.subject, None)
                else:
                    self._outputs[record.subject] = json.loads(record.body)
            return dict(self._outputs)

    def began(self, run: str) -> float:
        """When a run began or was asked for, in wall-clock seconds; costs one record."""
        first = self.ledger.records(run=run, limit=1)
        asked = self.asked(run)
        return first[0].wall if first else asked[0] if asked else 0.0

    def revision_of(self, run: str) -> int:
        """Number of the revision that a run is of; 0 where none was written down."""
        asked = self.asked(run)
        if asked is not None:
            return asked[1].revision
        began = self.began(run)
        return max((made.number for wall, made in self.environment().revisions if wall <= began), default=0)

    def ending(self, run: str) -> tuple[str, float]:
        """A run's verdict (`unfinished` while it has none) and its seconds, from its last record alone."""
        record = self.ledger.last(run)
        if record is None:
            return "unfinished", 0.0
        ended = decode(record.body) if record.kind == "record" else None
        return (ended.verdict.value if isinstance(ended, Finish) else self._verdict(run)), round(record.at, 3)

    def _verdict(self, run: str) -> str:
        finish = self.book(run).view.finish
        return finish.verdict.value if finish else "unfinished"

    @property
    def lock(self) -> threading.RLock:
        """Held while a view is read: other threads may bring it forward."""
        return self._lock

    @property
    def fleet_file(self) -> Path:
        """Where commands find the document."""
        return self.state.root / FLEET_FILE

    def settings(self) -> TargetSettings:
        """Where it is deployed to: as its revision says, else as its last run remembered."""
        made = self.revision()
        facts: dict[str, Any] = dict(made.target) if made is not None else {}
        facts = facts or self.state.recall("target") or {}
        known = {key: value for key, value in facts.items() if key in TargetSettings.model_fields}
        if known.get("faults") not in (None, "storm"):
            known["faults"] = None
        try:
            return TargetSettings(**known)
        except ValidationError:
            # Written by another version: one environment must not take the pages of all others away.
            return TargetSettings(emulated=known.get("emulated") is True)

    def time_scale(self) -> float:
        """How much faster than real its cloud is."""
        remembered = self.state.recall("target") or {}
        settings = self.settings()
        default = DEFAULT_TIME_SCALE if settings.emulated else 1.0
        return float(settings.time_scale or remembered.get("time_scale") or default)

    def target(self) -> TargetOptions:
        """The same as the commands take it."""
        settings = self.settings()
        return TargetOptions(
            self.state.root,
            settings.emulated,
            settings.time_scale,
            settings.faults,
            allow_mainnet=settings.allow_mainnet,
        )

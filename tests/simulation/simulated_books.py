"""Where a simulated coordinator writes: into its memory, or into a real ledger with a real lease.

The real one is closed the hard way at every crash: either its files are copied as they lie on the disk and the
copy is opened (the process was killed), or the next coordinator opens the same file while the old one still lives
(it was only stopped, and wakes up later as a zombie that has to notice).
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, Protocol

from simulated_referee import must

from chainfleet.ledger.codec import encode
from chainfleet.ledger.lease import TTL_S, Lease
from chainfleet.ledger.projection import RunView, project
from chainfleet.ledger.store import Entry, Ledger
from chainfleet.model.errors import EnvironmentProblem, LeaseLost
from chainfleet.model.task import Plan

RUN = "sim"


class Books(Protocol):
    """What a coordinator has written down, across its crashes."""

    view: RunView

    def write(self, at: float, things: Sequence[Any]) -> bool:
        """Make durable what happened; False if that was not possible, and then nothing of it is."""
        ...

    def reopen(self, at: float) -> None:
        """The coordinator has died; the next one reads what there is."""
        ...

    def close(self) -> None: ...


class Memory:
    """Everything is durable at once."""

    def __init__(self, plan: Plan) -> None:
        self.view = RunView(RUN)
        self.view.see(plan, 0.0)

    def write(self, at: float, things: Sequence[Any]) -> bool:
        for thing in things:
            self.view.see(thing, at)
        return True

    def reopen(self, at: float) -> None:
        """Memory survives here."""

    def close(self) -> None:
        """Nothing to close."""


class Files:
    """A real ledger in a folder, with disks that fill up and coordinators that come back from the dead."""

    def __init__(self, plan: Plan, seed: int, folder: Path) -> None:
        self._rng = Random(seed ^ 0x5EED)
        self._folder = folder
        self._number = 0
        self._wall = 0.0
        self._fence = 0
        self.zombies = self.full_disks = 0
        self.view = RunView(RUN)
        self._open(folder / "0.db")
        must(self.write(0.0, [plan]), "an empty disk is full")

    def _open(self, path: Path) -> None:
        self._path = path
        self._ledger = Ledger(path, "sim", wall=lambda: self._wall)
        self._lease = Lease(path, wall=lambda: self._wall)
        must(self._lease.fence > self._fence, "the fence does not grow")
        self._fence = self._lease.fence

    def write(self, at: float, things: Sequence[Any]) -> bool:
        self._wall += self._rng.choice((0.0, 0.3, 0.3, -0.5))
        self._lease.check()
        entries = [Entry(RUN, at, "record", _subject(t), encode(t)) for t in things]
        full = bool(self.view.states) and self._rng.random() < 0.01
        if full:
            self.full_disks += 1
            self._ledger.limit_pages(1)
            entries[-1:] = [*entries[-1:], Entry(RUN, at, "note", "ballast", f'"{"x" * 200_000}"')]
        future = self._ledger.append(entries)
        try:
            future.result(timeout=60)
        except EnvironmentProblem as error:
            must(full, "the disk is not full, yet the ledger says:", error)
            return False
        must(not full, "a full disk took a record")
        for thing in things:
            self.view.see(thing, at)
        self.view.last = at
        return True

    def reopen(self, at: float) -> None:
        old_lease, old_ledger = self._lease, self._ledger
        self._number += 1
        zombie = self._rng.random() < 0.3
        self._wall += TTL_S + 10
        if zombie:
            self.zombies += 1
            self._open(self._path)
        else:
            copy = self._folder / f"{self._number}.db"
            for suffix in ("", "-wal"):
                source = Path(f"{self._path}{suffix}")
                if source.exists():
                    shutil.copyfile(source, f"{copy}{suffix}")
            self._open(copy)
        read = project(RUN, self._ledger.records(RUN))
        for name in ("plan", "states", "reasons", "attempts", "spans", "incidents", "finish"):
            must(getattr(read, name) == getattr(self.view, name), "the ledger lost", name)
        self.view = read
        if zombie:
            _must_be_lost(old_lease.check)
            _must_be_lost(old_lease.renew)
        old_lease.release()
        self._lease.check()
        try:
            old_ledger.close()
        except EnvironmentProblem:
            must(self.full_disks, "the old ledger can't be closed")

    def close(self) -> None:
        self._lease.release()
        with suppress(EnvironmentProblem):  # Of a disk that was full when the world ended.
            self._ledger.close()


def _subject(thing: Any) -> str:
    return "" if isinstance(thing, Plan) else getattr(thing, "task", "")


def _must_be_lost(ask: Any) -> None:
    try:
        ask()
    except LeaseLost:
        return
    must(False, "a coordinator that was replaced may still have effects")

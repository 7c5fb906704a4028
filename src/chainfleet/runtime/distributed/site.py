"""An environment as a worker sees it: its folder, its ledger, the plans and outputs read so far."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chainfleet.ledger.codec import decode
from chainfleet.ledger.database import Postgres
from chainfleet.ledger.outputs import take_up
from chainfleet.ledger.outside import Outside
from chainfleet.model.task import Plan, Task

from ..state import StateFolder
from ..targets import TargetOptions, open_target


@dataclass(slots=True)
class Site:
    """One environment; made by `Sites`."""

    place: Postgres
    state: StateFolder
    ledger: Outside
    environ: Mapping[str, str]
    _plans: dict[str, dict[str, Task]] = field(default_factory=dict)
    outputs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _seq: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def task(self, run: str, task: str) -> Task:
        """A task of a run, by the plan in the ledger."""
        if run not in self._plans:
            plan = decode(self.ledger.records(run=run, limit=1)[0].body)
            assert isinstance(plan, Plan)
            self._plans[run] = {known.id: known for known in plan.tasks}
        return self._plans[run][task]

    def refresh(self) -> None:
        """Take up what tasks have left behind since, and forget what they have undone."""
        with self._lock:
            for record in self.ledger.outputs(after=self._seq):
                take_up(self.outputs, record.run, record.subject, json.loads(record.body))
                self._seq = record.seq


class Sites:
    """The environments that a worker has met, opened when first needed.

    Args:
        url: address of the database.
        home: folder whose folders are the environments' state folders.
        env_file: see `TargetOptions`.
        say: takes a line for the operator.
    """

    def __init__(self, url: str, home: Path, env_file: Path | None, say: Callable[[str], None]) -> None:
        self._url = url
        self._home = home
        self._env_file = env_file
        self._say = say
        self._known: dict[str, Site] = {}
        self._stack = ExitStack()
        self._lock = threading.Lock()

    def of(self, environment: str) -> Site:
        """That environment; used from any thread."""
        with self._lock:
            if environment not in self._known:
                self._known[environment] = self._open(environment)
            return self._known[environment]

    def _open(self, environment: str) -> Site:
        state = StateFolder(self._home / environment, self._url).prepare()
        options = TargetOptions(state.root, env_file=self._env_file)
        target = self._stack.enter_context(open_target(options, state, say=self._say))
        place = Postgres(self._url, environment)
        return Site(place, state, Outside(place), {**os.environ, **target.environ})

    def close(self) -> None:
        """Give everything back."""
        for site in self._known.values():
            site.ledger.close()
        self._stack.close()

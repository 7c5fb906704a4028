"""The state folder of one environment: where the ledger, the drivers' files and the runs' logs lie."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainfleet.ledger.database import Place, Postgres, postgres_place
from chainfleet.model.errors import EnvironmentProblem, InputError

_LEDGER = "ledger"


@dataclass(frozen=True, slots=True)
class StateFolder:
    """Paths inside one `--state` folder.

    Attributes:
        root: the folder; mode 0700, for it holds keys.
        database: address of the database that is to hold the ledger; None leaves it where it is.
    """

    root: Path
    database: str | None = None

    def prepare(self) -> StateFolder:
        """Make the folder if it isn't there; raises EnvironmentProblem where that is not possible."""
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.workspace.mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            way_out = "choose another folder with --state"
            raise EnvironmentProblem(
                f"can't use {self.root} as state folder: {reason}", way_out=way_out
            ) from None
        if not os.access(self.root, os.W_OK):
            raise EnvironmentProblem(
                f"no permission to write to {self.root}", way_out="choose another with --state"
            )
        return self

    @property
    def ledger(self) -> Place:
        """Where the ledger lies: in the database that was named, or a file in this folder.

        Raises:
            InputError: a database was named, and the ledger lies elsewhere already.
        """
        known = self.recall(_LEDGER)
        if self.database is not None and known != self.database and self.holds_ledger():
            message = f"--ledger: the ledger of {self.root} lies in {known or self._file.name} already"
            raise InputError(message, way_out="leave --ledger out, or begin another --state folder")
        url = self.database or known
        return self._file if url is None else postgres_place(url, self.environment)

    @property
    def environment(self) -> str:
        """The environment's name: that of the folder."""
        return self.root.resolve().name

    def holds_ledger(self) -> bool:
        """Whether an environment was made here; asks no database."""
        return self._file.exists() or (self.root / f"{_LEDGER}.json").exists()

    def settle(self) -> None:
        """Keep where the ledger lies, so that later commands on this folder find it."""
        place = self.ledger
        if isinstance(place, Postgres) and not self.holds_ledger():
            self.remember(_LEDGER, place.url)

    @property
    def _file(self) -> Path:
        return self.root / "ledger.db"

    @property
    def workspace(self) -> Path:
        """What the drivers keep: keys, Terraform states, address book."""
        return self.root / "workspace"

    @property
    def emulator(self) -> Path:
        """The emulated cloud's own folder."""
        return self.root / "emulator"

    def run(self, run: str) -> Path:
        """The folder of one run."""
        return self.root / "runs" / run

    def log(self, run: str, task: str, attempt: int) -> Path:
        """Log of one attempt."""
        return self.run(run) / "logs" / f"{task.replace('/', '.')}.{attempt}.log"

    def report(self, run: str) -> Path:
        """The report of one run."""
        return self.run(run) / "report.html"

    def remember(self, name: str, value: Any) -> None:
        """Keep a small JSON value beside the ledger, e.g. which fleet file this environment was deployed from."""
        path = self.root / f"{name}.json"
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(value, indent=1), encoding="utf-8")
        temporary.replace(path)

    def recall(self, name: str) -> Any:
        """The value kept under that name, or None.

        Raises:
            EnvironmentProblem: it can't be read.
        """
        path = self.root / f"{name}.json"
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError) as error:
            raise EnvironmentProblem(
                f"{path} can't be read: {error}",
                way_out="restore it from a copy of the state folder",
            ) from None

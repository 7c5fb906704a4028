"""Which environments there are: every folder with a ledger in the home folder, and those that were named."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from chainfleet.ledger.database import identity
from chainfleet.model.errors import ChainfleetError
from chainfleet.runtime.state import StateFolder

from ..principals import Principal
from ..problems import ProblemError, not_found
from .desk import Desk

log = logging.getLogger(__name__)

_NAME = re.compile(r"[a-z][a-z0-9-]{0,38}[a-z0-9]")
_SCAN_EVERY_S = 1.0


class Registry:
    """Finds and opens environments.

    Args:
        home: folder whose folders are environments; new ones are made there.
        named: further state folders, by the name of the environment.
        database: address of the database that holds new ones' ledgers; None keeps them in their folders.
    """

    def __init__(self, home: Path, named: Mapping[str, Path], database: str | None = None) -> None:
        self.home = home
        self.database = database
        self._named = dict(named)
        self._lock = threading.RLock()
        self._desks: dict[str, Desk] = {}
        self._problems: dict[str, ChainfleetError] = {}
        self._scanned = -_SCAN_EVERY_S

    def close(self) -> None:
        """Give everything back."""
        with self._lock:
            for desk in self._desks.values():
                desk.close()
            self._desks.clear()

    def folder_of(self, name: str) -> Path:
        """Where an environment of that name lies, or would lie."""
        return self._named.get(name, self.home / name)

    def desks(self, principal: Principal | None = None) -> list[Desk]:
        """All environments that can be read and that the caller sees, by name."""
        with self._lock:
            if time.monotonic() - self._scanned >= _SCAN_EVERY_S:
                self._scanned = time.monotonic()
                for name in self._names():
                    self._open(name)
                for name in [name for name in self._desks if not self._is_there(name)]:
                    self._desks.pop(name).close()
            desks = [self._desks[name] for name in sorted(self._desks)]
        return [desk for desk in desks if principal is None or principal.sees(desk.name)]

    def readable(self, principal: Principal) -> list[Desk]:
        """Those of `desks` whose ledger answers now: one whose database is away takes no page of the others away."""
        found = []
        for desk in self.desks(principal):
            try:
                desk.environment()
            except ChainfleetError as error:
                self._note(desk.name, error)
                continue
            self._problems.pop(desk.name, None)
            found.append(desk)
        return found

    def _note(self, name: str, error: ChainfleetError) -> None:
        """Keep why an environment can't be read; told in the log when it is something new."""
        known = self._problems.get(name)
        if known is None or known.message != error.message:
            log.warning("environment %s can't be read: %s", name, error.message)
        self._problems[name] = error

    def desk(self, name: str, principal: Principal | None = None) -> Desk:
        """One environment.

        Raises:
            ProblemError: there is none, the caller doesn't see it, or its ledger can't be used.
        """
        if not _NAME.fullmatch(name) or (principal is not None and not principal.sees(name)):
            raise not_found("environment", name)
        with self._lock:
            if not self._is_there(name):
                raise not_found("environment", name)
            desk = self._open(name)
            if desk is None:
                problem = self._problems.get(name) or ChainfleetError("its ledger can't be used")
                raise ProblemError(409, "ledger-unusable", problem.message, way_out=problem.way_out)
            return desk

    def _open(self, name: str) -> Desk | None:
        path = self.folder_of(name)
        desk = self._desks.get(name)
        try:
            if desk is not None:
                if desk.inode == identity(desk.state.ledger):
                    return desk
                # The folder was made anew: what was read of the old one is of no use.
                self._desks.pop(name).close()
            self._desks[name] = Desk(name, path)
        except (ChainfleetError, OSError) as error:
            self._note(name, error if isinstance(error, ChainfleetError) else ChainfleetError(str(error)))
            return None
        return self._desks[name]

    def _is_there(self, name: str) -> bool:
        return StateFolder(self.folder_of(name)).holds_ledger()

    def _names(self) -> Sequence[str]:
        found = {name for name in self._named if self._is_there(name)}
        if self.home.is_dir():
            found |= {
                p.name for p in self.home.iterdir() if _NAME.fullmatch(p.name) and self._is_there(p.name)
            }
        return sorted(found)

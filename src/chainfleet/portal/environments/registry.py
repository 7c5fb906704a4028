"""Which environments there are: every folder with a ledger in the home folder, and those that were named."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from chainfleet.ledger.database import identity
from chainfleet.model.errors import ChainfleetError, LedgerAway
from chainfleet.runtime.state import StateFolder

from ..principals import Principal
from ..problems import ProblemError, from_error, not_found
from .desk import Desk

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

_NAME = re.compile(r"[a-z][a-z0-9-]{0,38}[a-z0-9]")
_SCAN_EVERY_S = 1.0
_AT_ONCE = 16
"""Ledgers asked at once for a page that wants all."""
_AGAIN_S = 10.0
"""Seconds for which a ledger that was away is left alone by pages that want all: a try may take as long as it is silent."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why an environment's ledger can't be read.

    Attributes:
        error: what was met last.
        since: when it was met first, in seconds since 1970.
        met: when it was met last, in seconds of the monotonic clock.
    """

    error: ChainfleetError
    since: float
    met: float

    @property
    def is_away(self) -> bool:
        """Whether it may be back by itself."""
        return isinstance(self.error, LedgerAway)

    @property
    def rests(self) -> bool:
        """Whether it is too early to try again."""
        return self.is_away and time.monotonic() - self.met < _AGAIN_S


def _together(work: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """What work gives for each, all at once: several may wait for databases, and nobody for the sum of that."""
    if len(items) < 2:
        return [work(item) for item in items]
    with ThreadPoolExecutor(min(_AT_ONCE, len(items)), thread_name_prefix="ledgers") as pool:
        return list(pool.map(work, items))


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
        """Of what follows; never held while a ledger is asked."""
        self._desks: dict[str, Desk] = {}
        self._troubles: dict[str, Trouble] = {}
        self._opening: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._scanned = -_SCAN_EVERY_S
        self._scanned_once = threading.Event()

    def close(self) -> None:
        """Give everything back."""
        self._drop(list(self._desks))

    def folder_of(self, name: str) -> Path:
        """Where an environment of that name lies, or would lie."""
        return self._named.get(name, self.home / name)

    def desks(self, principal: Principal | None = None) -> list[Desk]:
        """All environments that can be read and that the caller sees, by name."""
        with self._lock:
            due = time.monotonic() - self._scanned >= _SCAN_EVERY_S
            self._scanned = time.monotonic() if due else self._scanned
        if due:
            try:
                self._scan()
            finally:
                self._scanned_once.set()
        # Before the first look is over nobody can say what there is; later ones hold up only who makes them.
        self._scanned_once.wait()
        with self._lock:
            desks = [self._desks[name] for name in sorted(self._desks)]
        return [desk for desk in desks if principal is None or principal.sees(desk.name)]

    def _scan(self) -> None:
        _together(self._open, [name for name in self._names() if not self._rests(name)])
        with self._lock:
            gone = [name for name in {*self._desks, *self._troubles} if not self._is_there(name)]
            for name in gone:
                self._troubles.pop(name, None)
        self._drop(gone)

    def readable(self, principal: Principal) -> list[Desk]:
        """Those of `desks` whose ledger answers now: one whose database is away takes no page of the others away."""
        desks = [desk for desk in self.desks(principal) if not self._rests(desk.name)]
        return [desk for desk, answers in zip(desks, _together(self._answers, desks), strict=True) if answers]

    def _answers(self, desk: Desk) -> bool:
        try:
            desk.environment()
        except ChainfleetError as error:
            self._note(desk.name, error)
            return False
        with self._lock:
            self._troubles.pop(desk.name, None)
        return True

    def troubled(self, principal: Principal) -> list[tuple[str, Trouble]]:
        """Environments that the caller sees and whose ledger could not be read when that was tried last."""
        with self._lock:
            return [(name, trouble) for name, trouble in self._troubles.items() if principal.sees(name)]

    def count(self) -> int:
        """How many environments are known."""
        with self._lock:
            return len({*self._desks, *self._troubles})

    def away(self) -> int:
        """How many of them have a ledger that is away."""
        with self._lock:
            return sum(trouble.is_away for trouble in self._troubles.values())

    def _rests(self, name: str) -> bool:
        with self._lock:
            trouble = self._troubles.get(name)
        return trouble is not None and trouble.rests

    def _note(self, name: str, error: ChainfleetError) -> ChainfleetError:
        """Keep why an environment can't be read, and give it back; told in the log when it is something new."""
        with self._lock:
            known = self._troubles.get(name)
            since = time.time() if known is None else known.since
            self._troubles[name] = Trouble(error, since, time.monotonic())
        if known is None or known.error.message != error.message:
            log.warning("environment %s can't be read: %s", name, error.message)
        return error

    def desk(self, name: str, principal: Principal | None = None) -> Desk:
        """One environment.

        Raises:
            ProblemError: there is none, the caller doesn't see it, or its ledger can't be used.
        """
        if not _NAME.fullmatch(name) or (principal is not None and not principal.sees(name)):
            raise not_found("environment", name)
        if not self._is_there(name):
            raise not_found("environment", name)
        found = self._open(name)
        if isinstance(found, Desk):
            return found
        if isinstance(found, LedgerAway):
            raise from_error(found)
        raise ProblemError(409, "ledger-unusable", found.message, way_out=found.way_out)

    def _open(self, name: str) -> Desk | ChainfleetError:
        """The environment, or why it can't be opened; while a database is silent only those wait who want the same one."""
        with self._lock:
            opening = self._opening[name]
        asked = time.monotonic()
        with opening:
            with self._lock:
                desk, trouble = self._desks.get(name), self._troubles.get(name)
            if desk is None and trouble is not None and trouble.is_away and trouble.met > asked:
                return trouble.error
            try:
                if desk is not None and desk.inode == identity(desk.state.ledger):
                    return desk
                # Where the folder was made anew, what was read of the old one is of no use.
                self._drop([name])
                desk = Desk(name, self.folder_of(name))
            except (ChainfleetError, OSError) as error:
                return self._note(
                    name, error if isinstance(error, ChainfleetError) else ChainfleetError(str(error))
                )
            with self._lock:
                self._desks[name] = desk
                self._troubles.pop(name, None)
            return desk

    def _drop(self, names: Sequence[str]) -> None:
        with self._lock:
            desks = [self._desks.pop(name) for name in names if name in self._desks]
        for desk in desks:
            desk.close()

    def _is_there(self, name: str) -> bool:
        return StateFolder(self.folder_of(name)).holds_ledger()

    def _names(self) -> Sequence[str]:
        found = {name for name in self._named if self._is_there(name)}
        if self.home.is_dir():
            found |= {
                p.name for p in self.home.iterdir() if _NAME.fullmatch(p.name) and self._is_there(p.name)
            }
        return sorted(found)

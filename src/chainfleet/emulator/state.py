"""The state folder: one living emulator per folder, and durable parts written soon after they change."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Protocol, runtime_checkable

from chainfleet.model.errors import EnvironmentProblem

from .background import begin, stop
from .seams import Dirty, Durable
from .tls import write_private

log = logging.getLogger(__name__)
_VERSION = 1
_WRITE_EVERY_S = 0.5
_MOST_OF_TIME = 0.05
"""Share of the time that writing may take; large states are written less often."""


class StateFolder:
    """A folder that belongs to this process until `release`.

    Raises:
        EnvironmentProblem: it can't be made or written, or a living emulator uses it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
            (path / "state").mkdir(exist_ok=True, mode=0o700)
            self._lock: IO[str] = (path / "lock").open("a+", encoding="utf-8")
        except OSError as error:
            raise EnvironmentProblem(
                f"state folder {path}: {error.strerror or error}", way_out="give a folder that can be written"
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.seek(0)
            owner = self._lock.read().strip() or "unknown"
            self._lock.close()
            raise EnvironmentProblem(
                f"state folder {path} is in use by a running emulator (process {owner})",
                way_out=f"stop it (kill {owner}), or give another folder",
            ) from error

    def own(self, pid: int) -> None:
        """Note who uses the folder."""
        self._lock.seek(0)
        self._lock.truncate()
        self._lock.write(str(pid))
        self._lock.flush()

    def release(self) -> None:
        """Let another emulator use the folder."""
        self._lock.close()

    def read(self, part: str) -> Any:
        """The state of a part, or None if there is none.

        Raises:
            EnvironmentProblem: it is damaged or of another version.
        """
        file = self._file(part)
        try:
            content = json.loads(file.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise EnvironmentProblem(
                f"{file} can't be read: {error}",
                way_out="remove the state folder to start with an empty cloud",
            ) from error
        if not isinstance(content, Mapping) or content.get("version") != _VERSION:
            raise EnvironmentProblem(
                f"{file} is of another version of the emulator",
                way_out="remove the state folder, or use that version",
            )
        return content["state"]

    def write(self, part: str, state: str) -> None:
        """Write the state of a part, as JSON text, atomically."""
        write_private(self._file(part), f'{{"version":{_VERSION},"state":{state}}}'.encode())

    def _file(self, part: str) -> Path:
        return self.path / "state" / f"{part}.json"


class Keeper:
    """Writes durable parts a moment after they change: a kill at any time loses about half a second."""

    def __init__(self, folder: StateFolder) -> None:
        self._folder = folder
        self._parts: dict[str, Durable] = {}
        self._dirty: set[str] = set()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.last_write_s = 0.0

    def keep(self, name: str, part: Durable) -> bool:
        """Keep a part; returns whether it took up a state that was there."""
        state = self._folder.read(name)
        if state is not None:
            part.load(state)
        self._parts[name] = part
        return state is not None

    def dirty(self, name: str) -> Dirty:
        """What a part calls after it changed."""

        def mark() -> None:
            self._dirty.add(name)
            self._changed.set()

        return mark

    def start(self) -> None:
        """Begin to write changes."""
        self._task = begin(self._run(), "state keeper")

    async def stop(self) -> None:
        """Stop, and write everything."""
        await stop(self._task)
        self.write_all()

    def write_soon_all(self) -> None:
        """Mark all parts as changed."""
        self._dirty.update(self._parts)
        self._changed.set()

    def write_all(self) -> None:
        """Write all parts, now."""
        self._dirty.update(self._parts)
        self.write()

    def write(self) -> None:
        """Write what has changed, now."""
        # The core knows the time: written with every other part, it is never older than their operations.
        names, self._dirty = self._dirty | {"core"}, set()
        for name in sorted(names & set(self._parts)):
            try:
                self._folder.write(name, _text(self._parts[name]))
            except OSError as error:
                # Keep it for the next round: a full disk must not end the emulated cloud.
                log.error("state of %s can't be written: %s", name, error)  # noqa: TRY400 - one line
                self._dirty.add(name)

    async def _run(self) -> None:
        while True:
            await self._changed.wait()
            await asyncio.sleep(max(_WRITE_EVERY_S, self.last_write_s / _MOST_OF_TIME))
            self._changed.clear()
            began = time.perf_counter()
            self.write()
            self.last_write_s = time.perf_counter() - began


@runtime_checkable
class _Quick(Protocol):
    """A part that knows a quicker way to its JSON text than `dump`."""

    def dump_json(self) -> str:
        """Its state as JSON text."""
        ...


def _text(part: Durable) -> str:
    if isinstance(part, _Quick):
        return part.dump_json()
    return json.dumps(part.dump(), separators=(",", ":"))

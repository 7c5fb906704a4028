"""What was sent to a chain, written down before it is sent.

An entry holds the signed transaction itself. A rerun sends the very same bytes again, which a chain takes
at most once, so that a process killed at any moment leaves nothing that is done twice. Entries belong to one
genesis block: a chain that was made anew starts an empty journal.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from chainfleet.model.errors import ErrorClass, TaskFailed

_BEGIN, _END = b'{"key"', b"}}"
"""How a line begins and ends: its first value is `key`, its last one the object `arguments`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One transaction that was, or was about to be, sent.

    Attributes:
        key: what it is for; two transactions with one key exclude each other by their nonce.
        genesis: hash of the chain's block 0.
        sender: who signed.
        nonce: its nonce.
        hash: its hash.
        raw: the signed transaction as `0x…`; public once sent, so no secret.
        artefact: bytecode hash of the contract, for a deployment.
        arguments: what it was made from, for people.
    """

    key: str
    genesis: str
    sender: str
    nonce: int
    hash: str
    raw: str
    artefact: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)


class Journal:
    """Append-only file of entries, one JSON line each.

    Args:
        path: the file; made on the first append.
        genesis: only entries of this chain are seen.
    """

    def __init__(self, path: Path, genesis: str) -> None:
        self._path = path
        self.genesis = genesis

    def entries(self, key: str | None = None) -> list[Entry]:
        """Return what was written, oldest first; a last line that was cut off by a kill is left out.

        Raises:
            TaskFailed: the journal is damaged elsewhere; nothing may be sent then.
        """
        found = [Entry(**row) for row in self._rows() if row.get("genesis") == self.genesis]
        return [entry for entry in found if key is None or entry.key == key]

    def append(self, entry: Entry) -> None:
        """Write an entry so that it survives the loss of this process and of power.

        Raises:
            TaskFailed: it can't be written whole; what it is for must not be sent.
        """
        try:
            self._append(json.dumps(asdict(entry), separators=(",", ":")).encode() + b"\n")
        except OSError as error:
            raise TaskFailed(
                ErrorClass.TRANSIENT,
                f"{self._path} can't be written, so nothing was sent: {error.strerror}",
                way_out="free disk space; it is tried again",
                fingerprint="contracts:journal",
            ) from error

    def _append(self, line: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        made = not self._path.exists()
        descriptor = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            # A line cut off by a kill has no end; a new one must not be glued to it.
            left = line if self._ends_clean() else b"\n" + line
            while left:  # On a disk that is almost full, a write may take a part.
                left = left[os.write(descriptor, left) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if made:
            sync_folder(self._path.parent)

    def _rows(self) -> list[dict[str, Any]]:
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return []
        rows = []
        for number, line in enumerate(lines, 1):
            if not line:
                continue
            try:
                rows.append(json.loads(line))
            except ValueError:
                if not _is_cut_off(line):
                    message = f"{self._path}:{number}: the journal is damaged"
                    way_out = "restore it from a backup; without it contracts could be deployed twice"
                    raise TaskFailed(ErrorClass.CONFIGURATION, message, way_out=way_out) from None
        return rows

    def _ends_clean(self) -> bool:
        with self._path.open("rb") as stream:
            if stream.seek(0, os.SEEK_END) == 0:
                return True
            stream.seek(-1, os.SEEK_END)
            return stream.read(1) == b"\n"


def _is_cut_off(line: bytes) -> bool:
    """Whether a line is the beginning of an entry: a kill, or a full disk, left it, and what it was for was never sent."""
    begins_well = line.startswith(_BEGIN) or _BEGIN.startswith(line)
    return begins_well and not line.endswith(_END)


def sync_folder(folder: Path) -> None:
    """Make a new name in a folder survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""The address book of one environment: what lies where."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from chainfleet.model.errors import ErrorClass, TaskFailed

from .journal import sync_folder
from .locks import briefly


@dataclass(frozen=True, slots=True)
class Record:
    """One deployed contract.

    Attributes:
        chain_id: id of its chain.
        genesis: hash of that chain's block 0 when it was deployed.
        contract: name of the contract.
        address: where it is, with checksum.
        transaction: what created it.
        block: where that was mined.
        bytecode_hash: SHA-256 of the creation code.
        source_hash: SHA-256 of the standard-JSON input it was compiled from.
        constructor: encoded constructor arguments, hex without `0x`; explorers ask for them.
    """

    chain_id: int
    genesis: str
    contract: str
    address: str
    transaction: str
    block: int
    bytecode_hash: str
    source_hash: str
    constructor: str


class AddressBook:
    """The file `addresses.json`, by name of the chain.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def of(self, chain: str, chain_id: int) -> Record | None:
        """Return what was deployed to a chain; whether it is still there, the chain knows (`still_there`)."""
        record = self._read().get(chain)
        return record if record is not None and record.chain_id == chain_id else None

    def put(self, chain: str, record: Record) -> None:
        """Keep what lies on a chain, in place of what was kept."""
        with briefly(self._path.with_suffix(".lock")):
            self._write(self._read() | {chain: record})

    def remove(self, chain: str) -> None:
        """Forget what lies on a chain."""
        with briefly(self._path.with_suffix(".lock")):
            self._write({name: record for name, record in self._read().items() if name != chain})

    def _read(self) -> dict[str, Record]:
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        try:
            return {name: Record(**row) for name, row in json.loads(text).items()}
        except (ValueError, TypeError, AttributeError) as error:
            message = f"{self._path} can't be read: {error}"
            way_out = "restore it, or delete it: the journal beside it knows what was deployed"
            raise TaskFailed(ErrorClass.CONFIGURATION, message, way_out=way_out) from None

    def _write(self, records: dict[str, Record]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        new = self._path.with_suffix(".new")
        with new.open("w", encoding="utf-8") as stream:
            json.dump({name: asdict(record) for name, record in sorted(records.items())}, stream, indent=1)
            stream.write("\n")
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(self._path)
        sync_folder(self._path.parent)

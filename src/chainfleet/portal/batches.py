"""Reads a ledger for its journal, in the journal's thread: what is new, as the stream tells it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from chainfleet.ledger.database import Place, identity
from chainfleet.ledger.outside import Outside
from chainfleet.ledger.store import Record
from chainfleet.model.errors import EnvironmentProblem, LedgerError

BATCH_RECORDS = 500
"""A batch holds at most that many."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records that go out together: those after `after`, up to and with `last`, as a JSON list.

    `committed` is when the last of them became durable, in seconds since 1970.
    """

    after: int
    last: int
    data: bytes
    count: int
    committed: float


@dataclass(frozen=True, slots=True)
class Signs:
    """What tells whether a ledger is the same, and whether anything was written.

    Attributes:
        file: tells its file from another one made later in its place.
        version: changes whenever anything was written.
        id: of the ledger.
        head: its last record's place.
    """

    file: int
    version: int
    id: str
    head: int

    def follows(self, id_: str, head: int) -> bool:
        """Whether a ledger of that id, known up to that record, can have come to look so: records are never taken back."""
        return self.id == id_ and self.head >= head


class Reader:
    """One ledger, opened by the first question; asked by one thread.

    Raises wherever it is asked:
        EnvironmentProblem: it can't be read now.
        LedgerError: it is gone, damaged, or another one.
    """

    def __init__(self, environment: str, place: Place) -> None:
        self._environment = environment
        self._place = place
        self._ledger: Outside | None = None
        self._file = 0

    def open(self) -> Signs:
        """Open it, unless it is open; how it stands."""
        if self._ledger is None:
            self._file = self._identity()
            # Without patience: its journal asks again, and says meanwhile that it is away.
            self._ledger = Outside(self._place, patience_s=0.0)
        return self.signs(None)

    def signs(self, known: Signs | None) -> Signs:
        """How it stands; where nothing was written since `known`, that costs next to nothing."""
        ledger = self._opened()
        if self._identity() != self._file:
            raise LedgerError(
                f"{self._place} was replaced by another file", way_out="nothing: it is read anew"
            )
        # Before the head: what is written between the two is news the next time.
        version = ledger.version()
        if known is not None and version == known.version:
            return known
        return Signs(self._file, version, *ledger.stamp())

    def read(self, after: int, until: int | None = None) -> Batch | None:
        """Records after a place as a batch; None where there are none."""
        records = self._opened().records(after=after, until=until, limit=BATCH_RECORDS)
        return encoded(self._environment, records, after) if records else None

    def close(self) -> None:
        """Give it back."""
        if self._ledger is not None:
            self._ledger.close()

    def _opened(self) -> Outside:
        assert self._ledger is not None
        return self._ledger

    def _identity(self) -> int:
        try:
            return identity(self._place)
        except FileNotFoundError:
            raise LedgerError(f"there is no ledger {self._place}", way_out="deploy first") from None
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            message = f"can't look at the ledger {self._place}: {reason}"
            raise EnvironmentProblem(message, way_out="make its disk readable again") from None


def encoded(environment: str, records: Sequence[Record], after: int) -> Batch:
    """Records that follow a place, as a batch."""
    data = "[" + ",".join(told(environment, record) for record in records) + "]"
    return Batch(after, records[-1].seq, data.encode(), len(records), records[-1].wall)


def told(environment: str, record: Record) -> str:
    """A record as the stream tells it: JSON text."""
    head = json.dumps(
        {
            "environment": environment,
            "seq": record.seq,
            "run": record.run,
            "at": round(record.at, 6),
            "wall": round(record.wall, 3),
            "kind": record.kind,
            "subject": record.subject,
        },
        separators=(",", ":"),
    )
    return f'{head[:-1]},"event":{shortened(record)}}}'


def shortened(record: Record) -> str:
    """A record's body without what is too long for a stream and can be asked for."""
    is_plan = record.kind == "record" and not record.subject and '"type":"Plan"' in record.body
    if not is_plan and record.kind != "environment":
        return record.body
    body = json.loads(record.body)
    if is_plan:
        body = {**{k: body[k] for k in ("type", "fleet", "revision", "mode")}, "tasks": len(body["tasks"])}
    body.pop("document", None)
    return json.dumps(body, separators=(",", ":"))

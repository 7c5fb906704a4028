"""The ledger of one environment as a stream: read once for all listeners, in batches, from any place on.

A listener holds a number, not a queue: a slow one costs nothing, and to resume is the same as to read.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chainfleet.ledger.database import Place, identity
from chainfleet.ledger.outside import Outside
from chainfleet.ledger.store import Record
from chainfleet.model.errors import ChainfleetError

BATCH_S = 0.05
"""A batch goes out at most that often."""
BATCH_RECORDS = 500
_BATCHES_KEPT = 200


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


class Journal:
    """The live end of one environment's ledger.

    Args:
        environment: its name.
        place: where its ledger lies.
        wake: called whenever there is something new.
    """

    def __init__(self, environment: str, place: Place, wake: Callable[[], None]) -> None:
        self.environment = environment
        self._ledger = Outside(place)
        self.id = self._ledger.id
        self._inode = identity(place)
        self._wake = wake
        self._batches: deque[Batch] = deque(maxlen=_BATCHES_KEPT)
        self._by_after: dict[int, Batch] = {}
        self.head = self._ledger.head()
        self._version = self._ledger.version()
        self.listeners = 0
        self.replaced = False
        """Whether the file is another one now: what was told of the old one no longer holds."""

    def close(self) -> None:
        """Give the ledger back."""
        self._ledger.close()

    def poll(self) -> None:
        """Take up what was written since the last time."""
        version = self._ledger.version()
        if version == self._version:
            return
        self._version = version
        while records := self._ledger.records(after=self.head, limit=BATCH_RECORDS):
            batch = self._encode(records, self.head)
            if len(self._batches) == _BATCHES_KEPT:
                del self._by_after[self._batches[0].after]
            self._batches.append(batch)
            self._by_after[batch.after] = batch
            self.head = batch.last
            self._wake()

    def look_at_file(self) -> None:
        """Notice that the file was replaced."""
        try:
            self.replaced = identity(self._ledger.place) != self._inode
        except OSError:
            self.replaced = True
        if self.replaced:
            self._wake()

    def after(self, seq: int) -> Batch | None:
        """What comes next after a place; None where that is the end. Read anew where it is long ago."""
        if seq >= self.head:
            return None
        batch = self._by_after.get(seq)
        if batch is None:
            records = self._ledger.records(after=seq, until=self.head, limit=BATCH_RECORDS)
            batch = self._encode(records, seq)
        return batch

    def _encode(self, records: Sequence[Record], after: int) -> Batch:
        data = "[" + ",".join(told(self.environment, record) for record in records) + "]"
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


class Journals:
    """The journals that somebody listens to; one clock polls them all."""

    def __init__(self) -> None:
        self._journals: dict[str, Journal] = {}
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def close(self) -> None:
        """Stop polling."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for journal in self._journals.values():
            journal.close()
        self._journals.clear()

    async def join(self, environment: str, place: Place) -> Journal:
        """Begin to listen.

        Raises:
            ChainfleetError: the ledger can't be read.
        """
        journal = self._journals.get(environment)
        if journal is not None:
            journal.look_at_file()
        if journal is None or journal.replaced:
            journal = self._journals[environment] = Journal(environment, place, self.wake)
        else:
            journal.poll()
        journal.listeners += 1
        self._loop = asyncio.get_running_loop()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._poll(), name="journals")
        return journal

    def leave(self, journal: Journal) -> None:
        """Listen no longer."""
        journal.listeners -= 1
        if journal.listeners == 0:
            if self._journals.get(journal.environment) is journal:
                del self._journals[journal.environment]
            journal.close()

    def wake(self) -> None:
        """Let everybody look whether there is something for them."""
        self._news.set()
        self._news = asyncio.Event()

    def wake_from_thread(self) -> None:
        """The same from a thread of its own."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self.wake)

    async def news(self, seconds: float) -> None:
        """Wait until something is new, at most that long."""
        news = self._news
        try:
            async with asyncio.timeout(seconds):
                await news.wait()
        except TimeoutError:
            return

    async def _poll(self) -> None:
        checked = time.monotonic()
        while self._journals:
            await asyncio.sleep(BATCH_S)
            look = time.monotonic() - checked > 1.0
            checked = time.monotonic() if look else checked
            for journal in list(self._journals.values()):
                try:
                    journal.poll()
                except ChainfleetError:
                    journal.replaced = True
                    self.wake()
                if look:
                    journal.look_at_file()

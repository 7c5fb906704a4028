"""The ledger of one environment as a stream: read once for all listeners, in batches, from any place on.

A listener holds a number, not a queue: a slow one costs nothing, and to resume is the same as to read. Every ledger is
asked in a thread of its own, and what is known of it changes in the event loop alone: a ledger whose database is away
holds up neither the loop nor the other ledgers.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from chainfleet.ledger.database import Place
from chainfleet.model.errors import ChainfleetError, EnvironmentProblem, LedgerAway

from .batches import Batch, Reader, Signs
from .own_thread import OwnThread

log = logging.getLogger(__name__)

BATCH_S = 0.05
"""A batch goes out at most that often."""
ANSWER_S = 15.0
"""A ledger that has not answered a question for so long, in seconds, is away. A database that refuses says so at once, and
a line that is dead breaks before (`postgres.SILENCE_S`): this is for one that took the question and is silent."""
AGAIN_S = 1.0
"""Seconds between questions to a ledger that is away."""
CLOSE_S = 2.0
"""Seconds that ledgers have to be given back in the end; what still waits for a silent database then ends with the process."""
_BATCHES_KEPT = 200

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Away:
    """Since when a ledger can't be read, in seconds since 1970, and why."""

    since: float
    detail: str


class Journal:
    """The live end of one environment's ledger.

    Args:
        environment: its name.
        place: where its ledger lies.
        wake: called whenever there is something new.

    Attributes:
        id: of the ledger.
        head: the last record that is known.
        listeners: how many there are.
        replaced: whether the ledger is another one now, or none: what was told of it no longer holds, and never will again.
        away: since when it can't be read; None while it can.
    """

    def __init__(self, environment: str, place: Place, wake: Callable[[], None]) -> None:
        self.environment = environment
        self.id = ""
        self.head = 0
        self.listeners = 0
        self.replaced = False
        self.away: Away | None = None
        self._signs: Signs | None = None
        self._wake = wake
        self._reader = Reader(environment, place)
        self._thread = OwnThread(f"journal of {environment}")
        self._following: asyncio.Task[None] | None = None
        self._batches: deque[Batch] = deque(maxlen=_BATCHES_KEPT)
        self._by_after: dict[int, Batch] = {}

    async def begin(self) -> None:
        """Open the ledger and follow it; where that was done, bring up to date what is known of it unless it is away.

        Raises:
            ChainfleetError: it can't be opened.
        """
        if self._following is not None:
            if self.away is None:
                await self.poll()
            return
        signs = await self._ask(self._reader.open)
        # Of several who began at once the first one's answer counts: the others' is older than what was polled since.
        if self._following is None:
            self.id, self.head, self._signs = signs.id, signs.head, signs
            self._following = asyncio.create_task(self._follow(), name=f"journal of {self.environment}")

    def close(self) -> Future[None]:
        """Follow no longer, and give the ledger back as soon as its thread is free."""
        if self._following is not None:
            self._following.cancel()
        return self._thread.close(self._reader.close)

    async def poll(self) -> None:
        """Take up what was written since the last time, and notice whether the ledger is away or another one."""
        try:
            signs = await self._ask(partial(self._reader.signs, self._signs))
            if signs != self._signs:
                await self._take_up(signs)
        except EnvironmentProblem as error:
            self._is_away(error)
        except ChainfleetError as error:
            self._is_replaced(str(error))
        else:
            self._is_back()

    async def after(self, seq: int) -> Batch | None:
        """What comes next after a place; None where that is the end, or the ledger is away.

        Read anew where it is long ago.
        """
        if seq >= self.head:
            return None
        batch = self._by_after.get(seq)
        if batch is not None or self.away is not None:
            return batch
        try:
            return await self._ask(partial(self._reader.read, seq, self.head))
        except EnvironmentProblem as error:
            self._is_away(error)
        except ChainfleetError as error:
            self._is_replaced(str(error))
        return None

    async def _follow(self) -> None:
        while not self.replaced:
            await asyncio.sleep(AGAIN_S if self.away else BATCH_S)
            try:
                await self.poll()
            except Exception:
                # Listeners of a journal that nobody reads would wait for ever.
                log.exception("following the ledger of %s", self.environment)
                self._is_replaced("see above")

    async def _take_up(self, signs: Signs) -> None:
        if not signs.follows(self.id, self.head):
            self._is_replaced("it is another one")
            return
        while (batch := await self._ask(partial(self._reader.read, self.head))) is not None:
            self._keep(batch)
        self._signs = signs

    def _keep(self, batch: Batch) -> None:
        if batch.after != self.head:
            return  # Somebody else who asked at the same time has brought it.
        if len(self._batches) == _BATCHES_KEPT:
            del self._by_after[self._batches[0].after]
        self._batches.append(batch)
        self._by_after[batch.after] = batch
        self.head = batch.last
        self._wake()

    async def _ask(self, question: Callable[[], T]) -> T:
        try:
            return await self._thread.ask(question, patience_s=ANSWER_S)
        except TimeoutError:
            message = f"the ledger of {self.environment} has not answered for {ANSWER_S:g} s"
            raise LedgerAway(message, way_out="check that its database or disk answers") from None

    def _is_away(self, error: EnvironmentProblem) -> None:
        if self.away is None:
            log.warning("%s: %s", self.environment, error.message)
            # The first one says what happened, those after it only that it has.
            self.away = Away(time.time(), error.message)
            self._wake()

    def _is_back(self) -> None:
        if self.away is not None:
            log.warning("the ledger of %s answers again", self.environment)
            self.away = None
            self._wake()

    def _is_replaced(self, why: str) -> None:
        log.warning("the ledger of %s is no longer the one that was read: %s", self.environment, why)
        self.replaced = True
        self._wake()


class Journals:
    """The journals that somebody listens to."""

    def __init__(self) -> None:
        self._journals: dict[str, Journal] = {}
        self._news = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def close(self) -> None:
        """Give all ledgers back; one that doesn't answer is not waited for."""
        closing = [asyncio.wrap_future(journal.close()) for journal in self._journals.values()]
        self._journals.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await asyncio.gather(*closing, return_exceptions=True)

    async def join(self, environment: str, place: Place) -> Journal:
        """Begin to listen.

        Raises:
            ChainfleetError: the ledger can't be read.
        """
        self._loop = asyncio.get_running_loop()
        while True:
            journal = self._journals.get(environment)
            if journal is None or journal.replaced:
                journal = self._journals[environment] = Journal(environment, place, self.wake)
            # Counted before it is waited for: nobody else may close it meanwhile.
            journal.listeners += 1
            try:
                await journal.begin()
            except BaseException:
                self.leave(journal)
                raise
            if not journal.replaced:
                return journal
            self.leave(journal)

    def leave(self, journal: Journal) -> None:
        """Listen no longer."""
        journal.listeners -= 1
        if journal.listeners == 0:
            if self._journals.get(journal.environment) is journal:
                del self._journals[journal.environment]
            journal.close()

    def away(self) -> int:
        """How many of them can't be read now."""
        return sum(journal.away is not None for journal in self._journals.values())

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

"""Gathers attempts that want the same thing of the same place at the same time into one piece of work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

Work = Callable[[list[Item]], Awaitable[list[Result | Exception]]]
"""Does everything at once; one result, or error, for each item in order."""


@dataclass(slots=True)
class Batch(Generic[Item, Result]):
    """Hands what has gathered to `work`, one batch after the other.

    Attributes:
        work: see `Work`.
        window_s: seconds that the first of a batch waits for others.
    """

    work: Work[Item, Result]
    window_s: float
    _waiting: list[tuple[Item, asyncio.Future[Result]]] = field(default_factory=list)
    _worker: asyncio.Task[None] | None = None
    _taken: list[asyncio.Future[Result]] = field(default_factory=list)

    async def join(self, item: Item) -> Result:
        """Take part in the next batch; its result, or its error raised.

        Cancelled, it leaves. What is under way for others goes on; when nobody is left for it, it is cancelled too and
        has ended when this returns.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._worker is None:
            self._worker = asyncio.create_task(self._run())
        try:
            return await future
        except asyncio.CancelledError:
            self._waiting = [entry for entry in self._waiting if entry[1] is not future]
            worker = self._worker
            if worker is not None and not self._waiting and all(taken.done() for taken in self._taken):
                worker.cancel()
                await asyncio.gather(worker, return_exceptions=True)
            raise

    async def _run(self) -> None:
        try:
            await asyncio.sleep(self.window_s)
            while self._waiting:
                batch, self._waiting = self._waiting, []
                await self._carry_out(batch)
        finally:
            # Who joined while this one was being stopped was not cancelled, and goes on with the next.
            self._waiting = [entry for entry in self._waiting if not entry[1].done()]
            self._worker = asyncio.create_task(self._run()) if self._waiting else None

    async def _carry_out(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        self._taken = [future for _, future in batch]
        try:
            results = await self.work([item for item, _ in batch])
        except Exception as error:  # whatever it is, everybody who waits must hear of it
            results = [error] * len(batch)
        finally:
            self._taken = []
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)

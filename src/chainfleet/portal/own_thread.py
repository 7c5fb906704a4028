"""A thread that is asked from the event loop: whatever may wait for a disk, a lock or a line is asked there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class OwnThread:
    """Answers questions one after the other, in a thread that keeps no process from ending.

    Not an executor of `concurrent.futures`: the interpreter waits for its threads in the end, and one that asks a
    database which is silent for ever would never come back.

    Args:
        name: of the thread.
    """

    def __init__(self, name: str) -> None:
        self._questions: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._answer, name=name, daemon=True)
        self._thread.start()

    async def ask(self, question: Callable[[], T], *, patience_s: float | None = None) -> T:
        """The answer to a question, or what it raises.

        A question whose asker was cancelled, or ran out of patience, is dropped unless it is being answered.

        Raises:
            TimeoutError: there was no answer within `patience_s`; those who stand in the queue meanwhile meet the same.
        """
        async with asyncio.timeout(patience_s):
            return await asyncio.wrap_future(self._put(question))

    def close(self, last: Callable[[], None]) -> Future[None]:
        """Do one last thing after all that was asked, and end; the future says when that was done."""
        done = self._put(last)
        self._questions.put(None)
        return done

    def _put(self, question: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        self._questions.put((future, question))
        return future

    def _answer(self) -> None:
        while (asked := self._questions.get()) is not None:
            _settle(*asked)
            # Nothing of it is kept while there is no next question.
            del asked


def _settle(future: Future[T], question: Callable[[], T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        answer = question()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(answer)

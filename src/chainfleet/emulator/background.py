"""Tasks that go on in the background: one that ends by a mistake of ours is told in the log, not kept to itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

log = logging.getLogger(__name__)


def begin(work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """Start a task; whoever starts it ends it, with `stop`."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_report)
    return task


async def stop(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel tasks, and wait until they have ended; None stands for one that was never begun."""
    begun = [task for task in tasks if task is not None]
    for task in begun:
        task.cancel()
    await asyncio.gather(*begun, return_exceptions=True)


async def within(seconds: float | None, event: asyncio.Event) -> bool:
    """Wait for an event, at most that many real seconds; whether it came.

    Not `asyncio.wait_for`, which before Python 3.12 loses a cancellation that comes together with the event: the task
    would go on for ever.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (bug := task.exception()):
        log.error("%s ended: %r", task.get_name(), bug, exc_info=bug)

"""Calls to the outside world, as traces see them.

A client wraps what it asks in `call`; whoever runs the attempt may have hung a recorder into its context.
Without one, nothing happens.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Protocol


class CallRecorder(Protocol):
    """Takes note of calls."""

    def call(self, system: str, what: str) -> AbstractContextManager[None]:
        """A call goes on as long as the context is open; an exception that leaves it is its failure."""
        ...


RECORDER: ContextVar[CallRecorder | None] = ContextVar("chainfleet_call_recorder", default=None)
"""Who takes note of calls in this context; tasks inherit it."""


@contextmanager
def call(system: str, what: str) -> Iterator[None]:
    """Tell that a call goes on.

    Args:
        system: `kubernetes`, `chain` or `terraform`.
        what: verb and object, never a secret.
    """
    recorder = RECORDER.get()
    if recorder is None:
        yield
        return
    with recorder.call(system, what):
        yield

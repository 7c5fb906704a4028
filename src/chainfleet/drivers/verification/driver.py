"""Carries out the tasks of phase verification."""

from __future__ import annotations

from chainfleet.drivers.besu.vault import NodeKeys
from chainfleet.drivers.driver import Attempt, Outcome
from chainfleet.model.errors import ErrorClass, TaskFailed

from .network import verify_network
from .region import verify_region


class VerificationDriver:
    """Looks at regions and at the network; it never changes anything."""

    def __init__(self) -> None:
        self._keys = NodeKeys()

    async def observe(self, attempt: Attempt) -> Outcome | None:  # noqa: ARG002 - part of the protocol
        """Return None: what was true a minute ago is looked at anew."""
        return None

    async def change(self, attempt: Attempt) -> Outcome:
        """Look, and say what was seen."""
        if attempt.task.action == "region":
            return await verify_region(attempt, self._keys)
        if attempt.task.action == "network":
            return await verify_network(attempt)
        raise TaskFailed(ErrorClass.INTERNAL, f"there is no verification task {attempt.task.id}")

    async def undo(self, attempt: Attempt) -> Outcome:  # noqa: ARG002 - part of the protocol
        """Nothing was made."""
        return Outcome({}, changed=False)

"""Carries out the tasks of phase besu."""

from __future__ import annotations

from chainfleet.drivers.driver import Attempt, Driver, Outcome
from chainfleet.model.errors import ErrorClass, TaskFailed

from .chain_task import ChainTask
from .network_tasks import GenesisTask, KeysTask, PeersTask
from .region_tasks import ConfigTask, StartTask


class BesuDriver:
    """Keys, genesis, peers, configuration, start and the living chain."""

    def __init__(self) -> None:
        self._actions: dict[str, Driver] = {
            "keys": KeysTask(),
            "genesis": GenesisTask(),
            "peers": PeersTask(),
            "config": ConfigTask(),
            "start": StartTask(),
            "chain": ChainTask(),
        }

    async def observe(self, attempt: Attempt) -> Outcome | None:
        """Return the outcome if nothing needs doing."""
        return await self._action(attempt).observe(attempt)

    async def change(self, attempt: Attempt) -> Outcome:
        """Do what the task says."""
        return await self._action(attempt).change(attempt)

    async def undo(self, attempt: Attempt) -> Outcome:
        """Remove what the task made."""
        return await self._action(attempt).undo(attempt)

    def _action(self, attempt: Attempt) -> Driver:
        try:
            return self._actions[attempt.task.action]
        except KeyError:
            raise TaskFailed(ErrorClass.INTERNAL, f"there is no besu task {attempt.task.id}") from None

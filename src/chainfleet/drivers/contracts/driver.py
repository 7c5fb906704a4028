"""Carries out the tasks of the contracts phase: `contracts/deploy/{chain}` and `contracts/round/{chain}`."""

from __future__ import annotations

from types import ModuleType

from chainfleet.drivers.driver import Attempt, Outcome
from chainfleet.model.errors import ErrorClass, TaskFailed

from . import deploy, rounds
from .addresses import AddressBook
from .session import folder_of, open_session, spec_of

_ACTIONS: dict[str, ModuleType] = {"deploy": deploy, "round": rounds}


class ContractsDriver:
    """Deploys the oracle to every chain of a fleet and submits its first round; keeps no state of its own.

    Files, below `workspace/contracts/`: `addresses.json` (what lies where), `{chain}.journal.jsonl` (every
    transaction before it is sent), `verification/{chain}/` (requests for block explorers).
    """

    async def observe(self, attempt: Attempt) -> Outcome | None:
        """The outcome, if the chain already is as the task wants it; sends nothing."""
        async with open_session(attempt) as session:
            outcome: Outcome | None = await _action(attempt).observe(attempt, session)
            return outcome

    async def change(self, attempt: Attempt) -> Outcome:
        """Bring the chain to what the task wants; a rerun does nothing twice."""
        async with open_session(attempt) as session:
            outcome: Outcome = await _action(attempt).change(attempt, session)
            return outcome

    async def undo(self, attempt: Attempt) -> Outcome:
        """Contracts stay for ever; those of the fleet's own chain, which goes away with it, are forgotten."""
        spec = spec_of(attempt.fleet, attempt.task.subject)
        own = spec.rpc_url is None
        if own and _action(attempt) is deploy:
            AddressBook(folder_of(attempt.workspace) / "addresses.json").remove(spec.name)
        attempt.log(
            f"contracts can't be removed from a chain; {'forgotten' if own else 'kept in the address book'}"
        )
        return Outcome(changed=own)


def _action(attempt: Attempt) -> ModuleType:
    try:
        return _ACTIONS[attempt.task.action]
    except KeyError:
        message = f"the contracts driver knows no task `{attempt.task.id}`"
        raise TaskFailed(ErrorClass.INTERNAL, message) from None

"""Asking whoever runs an environment, from another process."""

from __future__ import annotations

from chainfleet.ledger.lease import holder_of
from chainfleet.ledger.mailbox import Mailbox, Request
from chainfleet.ledger.store import Ledger
from chainfleet.model.errors import InputError

from .state import StateFolder


def ask(state: StateFolder, fleet_name: str, request: Request, *, needed: bool = True) -> str | None:
    """Leave a request for the process that runs this environment.

    Returns:
        Who that is, e.g. `process 4711 on host`; None if nobody runs it and that is allowed.

    Raises:
        InputError: nobody runs this environment, and `needed` says somebody must.
    """
    if state.ledger.exists():
        Ledger(
            state.ledger, fleet_name
        ).close()  # Refuses what is not ours, and brings an old one up to date.
        holder = holder_of(state.ledger)
        if holder is not None:
            mailbox = Mailbox(state.ledger)
            try:
                mailbox.post(request)
            finally:
                mailbox.close()
            return holder
    if needed:
        raise InputError(
            f"no process runs the environment in {state.root}",
            way_out="`chainfleet status` shows how it stands",
        )
    return None

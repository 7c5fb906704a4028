"""Asking whoever runs an environment, from another process."""

from __future__ import annotations

import getpass
import json

from chainfleet.ledger.codec import encode
from chainfleet.ledger.mailbox import Mailbox, Request
from chainfleet.ledger.outside import Outside
from chainfleet.ledger.store import Entry
from chainfleet.model.errors import InputError, LedgerError

from .state import StateFolder


def ask(
    state: StateFolder,
    fleet_name: str,
    request: Request,
    *,
    reason: str = "",
    by: str = "",
    needed: bool = True,
) -> str | None:
    """Leave a request for the process that runs this environment; the ledger keeps who asked what, and why.

    Args:
        state: of the environment.
        fleet_name: its fleet.
        request: what is asked.
        reason: why.
        by: who asks; the user of this process if left out.
        needed: whether it is an error that nobody runs it.

    Returns:
        Who that is, e.g. `process 4711 on host`; None if nobody runs it and that is allowed.

    Raises:
        InputError: nobody runs this environment, and `needed` says somebody must.
    """
    if state.ledger.exists():
        ledger = Outside(state.ledger)
        try:
            holder = ledger.holder()
            if holder is not None:
                _check_fleet(ledger, fleet_name, state)
                _post(ledger, request, by=by or whoami(), reason=reason)
                return holder
        finally:
            ledger.close()
    if needed:
        raise InputError(
            f"no process runs the environment in {state.root}",
            way_out="`chainfleet status FLEET` shows how it stands",
        )
    return None


def whoami() -> str:
    """The name of whoever uses this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"


def _check_fleet(ledger: Outside, fleet_name: str, state: StateFolder) -> None:
    if ledger.fleet != fleet_name:
        message = f"{state.root} is the state folder of fleet `{ledger.fleet}`, not of `{fleet_name}`"
        raise LedgerError(message, way_out="give another folder with --state")


def _post(ledger: Outside, request: Request, *, by: str, reason: str) -> None:
    runs = ledger.runs()
    last = ledger.last(runs[-1]) if runs else None
    if last is not None:
        what = {"type": "Drain"} if request.event is None else json.loads(encode(request.event))
        body = json.dumps({**what, "by": by, "reason": reason}, sort_keys=True)
        subject = str(what.get("task", ""))
        ledger.append([Entry(last.run, last.at, "request", subject, body)])
    mailbox = Mailbox(ledger.place)
    try:
        mailbox.post(request)
    finally:
        mailbox.close()

"""What can be done to an environment itself: write down its fleet, change it, lock it, put it away.

An environment is a state folder; its ledger keeps what happened to it. The command line and the portal come through here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chainfleet.ledger.codec import encode
from chainfleet.ledger.environment import EnvironmentView, project_environment
from chainfleet.ledger.outside import Outside
from chainfleet.ledger.store import Entry, Ledger
from chainfleet.model.environment import EnvironmentEvent, RevisionMade
from chainfleet.model.errors import InputError
from chainfleet.model.fleet_file import LoadedFleet

from .state import StateFolder

FLEET_FILE = "fleet.yaml"


def entry(event: EnvironmentEvent) -> Entry:
    """That event as a record that has no place yet."""
    return Entry("", 0.0, "environment", type(event).__name__, encode(event))


def make_environment(state: StateFolder, loaded: LoadedFleet, first: RevisionMade) -> None:
    """Make a state folder with a ledger that holds the first revision.

    Raises:
        InputError: the folder holds a ledger already.
        EnvironmentProblem: it can't be made.
    """
    if state.ledger.exists():
        raise InputError(f"{state.root} is an environment already", way_out="choose another name")
    state.prepare()
    ledger = Ledger(state.ledger, loaded.fleet.name)
    try:
        ledger.append([entry(first)]).result()
        state.settle()
    finally:
        ledger.close()


def read_environment(ledger: Outside | Ledger) -> EnvironmentView:
    """What the ledger says of its environment."""
    return project_environment(ledger.environment() if isinstance(ledger, Outside) else ledger.records(""))


def note_revision(
    ledger: Ledger, document: str, fingerprint: str, target: Mapping[str, Any], *, by: str, note: str = ""
) -> int:
    """Write down which fleet is being deployed, unless that is the present revision; returns its number."""
    present = read_environment(ledger).revision
    if present is not None and present.document == document and dict(present.target) == dict(target):
        return present.number
    number = present.number + 1 if present is not None else 1
    made = RevisionMade(number, document, fingerprint, target, by, note)
    ledger.append([entry(made)]).result()
    return number


def write_fleet_file(state: StateFolder, document: str) -> Path:
    """Write the document beside the ledger, where commands find it."""
    path = state.root / FLEET_FILE
    temporary = path.with_suffix(".tmp")
    temporary.write_text(document, encoding="utf-8")
    temporary.replace(path)
    return path

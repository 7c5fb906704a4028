"""Making and changing environments: every change is a record in the environment's ledger, based on what its author saw."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable
from typing import Any

from chainfleet.ledger.environment import EnvironmentView
from chainfleet.ledger.outside import Changed
from chainfleet.model.environment import (
    Archived,
    EnvironmentEvent,
    Locked,
    Restored,
    RevisionMade,
    Unlocked,
)
from chainfleet.model.errors import InputError
from chainfleet.runtime.environments import entry, make_environment, write_fleet_file
from chainfleet.runtime.state import StateFolder
from chainfleet.scheduling.planning import make_plan

from ..models.environments import (
    CloneGiven,
    EnvironmentChanged,
    EnvironmentGiven,
    FieldChange,
    FleetGiven,
    TargetSettings,
)
from ..problems import ProblemError, not_found
from .desk import Desk
from .fleets import cloned, form_of, load_text, text_of
from .registry import Registry

_TRIES = 5


def etag_of(desk: Desk) -> str:
    """Names the environment's document, lock and archive state; changes with each of them."""
    view = desk.environment()
    lock = view.lock[0] if view.lock else 0.0
    number = view.revision.number if view.revision else 0
    text = f"{desk.ledger.id}:{number}:{lock}:{view.archived}"
    return f'"r{number}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"'


def create(registry: Registry, given: EnvironmentGiven, *, by: str) -> Desk:
    """Make an environment.

    Raises:
        ProblemError, FleetError: nothing was made.
    """
    return _make(registry, given.name, text_of(given), given.target, by=by, note=given.note)


def clone(registry: Registry, desk: Desk, given: CloneGiven, *, by: str) -> Desk:
    """Copy an environment's present document under another name.

    Raises:
        ProblemError, FleetError: nothing was made.
    """
    text = cloned(_present(desk).document, given.name, given.regions)
    note = given.note or f"copy of {desk.name}"
    return _make(registry, given.name, text, given.target or desk.settings(), by=by, note=note)


def change(desk: Desk, given: EnvironmentChanged, if_match: str | None, *, by: str) -> None:
    """Make a new revision, if nobody changed the environment since the caller read it.

    Raises:
        ProblemError: 428 without If-Match, 412 where it has changed, 409 where it is locked or put away.
        FleetError: the document is wrong.
    """
    if if_match is None:
        raise ProblemError(
            428,
            "if-match-missing",
            "a change needs If-Match",
            way_out="send the ETag of what you changed",
            current=etag_of(desk),
        )

    def event(view: EnvironmentView) -> EnvironmentEvent | None:
        if if_match != "*" and if_match != etag_of(desk):
            raise ProblemError(
                412,
                "changed-meanwhile",
                "somebody changed the environment since you read it",
                way_out="read it again, put your change on top, and send it with the new ETag",
                current=etag_of(desk),
            )
        _require_open(view)
        return _next_revision(desk, given, view.revision, by)

    _note(desk, event)
    made = desk.revision()
    if made is not None:
        write_fleet_file(desk.state, made.document)


def _next_revision(
    desk: Desk, given: EnvironmentChanged, present: RevisionMade | None, by: str
) -> RevisionMade | None:
    """The revision that the change makes; None where it changes nothing."""
    leaves_text = given.document is None and given.form is None
    if leaves_text and present is None:
        raise ProblemError(422, "invalid-input", "there is no document yet: send one")
    text = (
        present.document
        if leaves_text and present
        else text_of(FleetGiven(document=given.document, form=given.form))
    )
    target = (given.target or desk.settings()).model_dump()
    if present is not None and text == present.document and target == dict(present.target):
        return None
    loaded = load_text(text)
    make_plan(loaded.fleet, loaded.revision)
    if loaded.fleet.name != desk.ledger.fleet:
        message = f"this is the environment of fleet `{desk.ledger.fleet}`, not of `{loaded.fleet.name}`"
        raise ProblemError(422, "other-fleet", message, way_out="keep `name`, or make another environment")
    number = present.number + 1 if present else 1
    return RevisionMade(number, text, loaded.revision, target, by, given.note)


def lock(desk: Desk, reason: str, *, by: str) -> None:
    """Lock; raises ProblemError (409) where it is locked or put away."""

    def event(view: EnvironmentView) -> EnvironmentEvent:
        _require_open(view)
        return Locked(by, reason)

    _note(desk, event)


def unlock(desk: Desk, *, by: str) -> None:
    """Take the lock away; nothing happens where there is none."""
    _note(desk, lambda view: Unlocked(by) if view.lock else None)


def archive(desk: Desk, *, by: str) -> None:
    """Put away; raises ProblemError (409) where it is locked or a process works on it."""

    def event(view: EnvironmentView) -> EnvironmentEvent | None:
        if view.archived:
            return None
        _require_open(view)
        if desk.ledger.holder() is not None:
            raise ProblemError(
                409, "busy", "a run is under way", way_out="wait for it, or cancel it", retryable=True
            )
        return Archived(by)

    _note(desk, event)


def restore(desk: Desk, *, by: str) -> None:
    """Take back; nothing happens where it is not put away."""
    _note(desk, lambda view: Restored(by) if view.archived else None)


def revision(desk: Desk, number: int) -> tuple[float, RevisionMade]:
    """A revision and when it was made; raises ProblemError (404)."""
    for wall, made in desk.environment().revisions:
        if made.number == number:
            return wall, made
    raise not_found("revision", str(number))


def difference(a: RevisionMade, b: RevisionMade) -> tuple[str, list[FieldChange]]:
    """How two revisions differ: as text, and by fields."""
    names = (f"revision {a.number}", f"revision {b.number}")
    lines = difflib.unified_diff(
        a.document.splitlines(keepends=True), b.document.splitlines(keepends=True), *names
    )
    before = _flat({"target": dict(a.target), **form_of(a.document)})
    after = _flat({"target": dict(b.target), **form_of(b.document)})
    paths = dict.fromkeys([*before, *after])
    return "".join(lines), [
        FieldChange(path=path, before=before.get(path), after=after.get(path))
        for path in paths
        if before.get(path) != after.get(path)
    ]


def _make(registry: Registry, name: str, text: str, target: TargetSettings, *, by: str, note: str) -> Desk:
    loaded = load_text(text)
    make_plan(loaded.fleet, loaded.revision)
    state = StateFolder(registry.folder_of(name), registry.database)
    first = RevisionMade(1, text, loaded.revision, target.model_dump(), by, note)
    try:
        make_environment(state, loaded, first)
    except InputError as error:
        raise ProblemError(409, "name-taken", error.message, way_out=error.way_out) from None
    write_fleet_file(state, text)
    return registry.desk(name)


def _note(desk: Desk, event_of: Callable[[EnvironmentView], EnvironmentEvent | None]) -> None:
    """Append what the function makes of the present view; where others were quicker, judge anew."""
    for _ in range(_TRIES):
        view = desk.environment()
        event = event_of(view)
        if event is None:
            return
        try:
            desk.ledger.append([entry(event)], based_on=view.last)
        except Changed:
            continue
        return
    raise ProblemError(409, "busy", "others change this environment all the time", retryable=True)


def _require_open(view: EnvironmentView) -> None:
    if view.archived:
        raise ProblemError(409, "archived", "the environment is put away", way_out="restore it first")
    if view.lock is not None:
        locked = view.lock[1]
        raise ProblemError(
            409, "locked", f"locked by {locked.by}: {locked.reason}", way_out="unlock it first, or ask them"
        )


def require_open(desk: Desk) -> None:
    """Raise ProblemError (409) where the environment is locked or put away."""
    _require_open(desk.environment())


def _present(desk: Desk) -> RevisionMade:
    made = desk.revision()
    if made is None:
        raise ProblemError(
            409,
            "no-document",
            "the ledger holds no document of this environment",
            way_out="change it: send one",
        )
    return made


def require_document(desk: Desk) -> RevisionMade:
    """The present revision; raises ProblemError (409) where there is none."""
    return _present(desk)


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, dict) and value:
        return {
            k: v
            for key, item in value.items()
            for k, v in _flat(item, f"{path}.{key}" if path else key).items()
        }
    if isinstance(value, list) and value:
        return {k: v for i, item in enumerate(value) for k, v in _flat(item, f"{path}.{i}").items()}
    return {path: value}

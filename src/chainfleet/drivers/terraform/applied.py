"""What a root was applied with last: the note that lets a second deployment leave it alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from chainfleet.model.errors import ErrorClass, TaskFailed

from . import roots, states
from .roots import Root


@dataclass(frozen=True, slots=True)
class Applied:
    """What a root looked like when it was applied last."""

    fingerprint: str
    lineage: str
    serial: int


def state_of(root: Root) -> states.State | None:
    """The root's state; None if it has none. TaskFailed if it can't be read."""
    try:
        return states.read_state(root.state)
    except (OSError, ValueError) as error:
        message = f"the state in {root.folder} can't be read: {error}"
        raise TaskFailed(
            ErrorClass.CONFIGURATION,
            message,
            way_out="restore it from a copy; what it lists is taken up again by `chainfleet import FLEET`",
        ) from error


def applied(root: Root) -> Applied | None:
    """The note of the last apply; None if there is none that can be read."""
    try:
        return Applied(**json.loads((root.folder / roots.APPLIED).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def remember(root: Root) -> Mapping[str, object]:
    """Note what was applied, and return the outputs."""
    state = state_of(root)
    if state is None:
        message = "Terraform reported success and wrote no state"
        raise TaskFailed(ErrorClass.INTERNAL, message)
    note = {"fingerprint": root.fingerprint, "lineage": state.lineage, "serial": state.serial}
    path = root.folder / roots.APPLIED
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(note), encoding="utf-8")
    temporary.replace(path)
    return state.outputs

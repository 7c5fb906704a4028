"""A run as the API tells it: in a line for lists, and in full for its page."""

from __future__ import annotations

from collections import Counter
from typing import Any

from chainfleet.model.event import TaskState
from chainfleet.model.task import Phase
from chainfleet.runtime.commands import deploy_words, destroy_words, shown, verify_words
from chainfleet.runtime.targets import PolicyOptions

from ..environments.desk import Book, Desk
from ..models.runs import Ends, Outlook, RunDetail, RunKind, RunState, RunSummary
from ..principals import Principal
from . import matrix
from .standing import Standing, allowed, kind_of, standing
from .view import PortalView

NETWORK = "verification/network/network"
_OVER = (TaskState.SUCCEEDED, TaskState.FAILED, TaskState.SKIPPED, TaskState.CANCELLED)


def summary(desk: Desk, book: Book, principal: Principal, now: float, *, four_eyes: bool) -> RunSummary:
    """A run in a line; what may be asked of it is the caller's."""
    with desk.lock:
        return RunSummary(**_line(desk, book, standing(desk, book, now), principal, four_eyes=four_eyes))


def detail(desk: Desk, book: Book, principal: Principal, now: float, *, four_eyes: bool) -> RunDetail:
    """A run in full."""
    with desk.lock:
        stands = standing(desk, book, now)
        view = book.view
        found, network = matrix.rows(view, _clouds(desk))
        return RunDetail(
            **_line(desk, book, stands, principal, four_eyes=four_eyes),
            sentence=sentence(view, stands),
            phases=[p for p in Phase if any(task.phase is p for task in view.tasks.values())],
            rows=found,
            network=network,
            waves=[list(wave) for wave in view.plan.waves] if view.plan else [],
            gates=matrix.gates(view),
            clusters=matrix.clusters(view),
            stragglers=matrix.stragglers(view),
            incidents=[*view.missing_workers, *view.incidents],
            outlook=outlook_of(view),
            ends=_ends(view),
            outputs=dict(view.outputs.get(NETWORK, {})),
            command=command_of(desk, view),
        )


def outlook_of(view: PortalView) -> Outlook | None:
    """What the coordinator last noted of its limits and its end."""
    note = view.notes.get("outlook")
    return None if note is None else Outlook(at=view.last, wall=view.last_wall, **note)


def _ends(view: PortalView) -> Ends | None:
    note = view.notes.get("ends")
    if note is None or view.finish is not None:
        return None
    return Ends(low_s=note["low_s"], p50_s=note["p50_s"], high_s=note["high_s"])


def sentence(view: PortalView, stands: Standing) -> str:
    """How it stands, in one sentence."""
    if not view.tasks:
        return "Starting." if stands.state is RunState.STARTING else "It did not begin."
    standings = regions(view)
    total = sum(standings.values())
    text = f"{standings['done']} of {total} regions done" if total else f"{_share(view)} of the tasks done"
    causes = len(matrix.clusters(view))
    if standings["failed"]:
        text += f", {standings['failed']} failed" + (f" by {_count(causes, 'cause')}" if causes else "")
    if view.finish is not None:
        reason = f": {view.finish.reason}" if view.finish.reason else ""
        return f"{text}; {view.finish.verdict.value} after {_time(view.last)}{reason}."
    waiting = [
        gate.task for gate in matrix.gates(view) if gate.state is TaskState.AT_GATE and gate.needs_person
    ]
    if waiting:
        return f"{text}; waiting for approval of {waiting[0]}."
    note = view.notes.get("outlook", {})
    words = {
        RunState.INTERRUPTED: "nobody works on it",
        RunState.PAUSED: "paused",
        RunState.CANCELLING: "stopping",
    }
    return f"{text}; {words.get(stands.state) or 'about ' + _time(float(note.get('remaining_s', 0.0))) + ' left'}."


def regions(view: PortalView) -> dict[str, int]:
    """Regions by how they stand: done, failed, running, waiting."""
    states: dict[str, set[TaskState]] = {}
    for task in view.tasks.values():
        if task.region is not None:
            states.setdefault(task.region, set()).add(view.states[task.id])
    found = {"done": 0, "failed": 0, "running": 0, "waiting": 0}
    for seen in states.values():
        if seen & {TaskState.FAILED, TaskState.SKIPPED, TaskState.CANCELLED}:
            found["failed"] += 1
        elif seen == {TaskState.SUCCEEDED}:
            found["done"] += 1
        elif seen <= {TaskState.WAITING, TaskState.READY}:
            found["waiting"] += 1
        else:
            found["running"] += 1
    return found


def command_of(desk: Desk, view: PortalView) -> str:
    """The command that starts such a run: the one that did where it is known."""
    asked = desk.asked(view.run)
    if asked is not None and asked[1].command:
        return asked[1].command
    target, fleet = desk.target(), desk.fleet_file
    match kind_of(view.run):
        case RunKind.VERIFY:
            return shown(verify_words(fleet, target))
        case RunKind.DESTROY:
            return shown(destroy_words(fleet, target, desk.ledger.fleet))
        case _:
            mode = view.plan.mode.value if view.plan else None
            return shown(deploy_words(fleet, target, PolicyOptions(mode=mode)))


def _line(
    desk: Desk, book: Book, stands: Standing, principal: Principal, *, four_eyes: bool
) -> dict[str, Any]:
    view, asked = book.view, desk.asked(book.view.run)
    environment = desk.environment()
    open_ = environment.lock is None and not environment.archived
    began = view.began or (asked[0] if asked else 0.0)
    reason = asked[1].reason if asked else ""
    if book.seq == 0 and stands.state is RunState.INTERRUPTED:
        reason = said(desk, view.run) or reason
    return {
        "environment": desk.name,
        "run": view.run,
        "kind": kind_of(view.run),
        "state": stands.state,
        "verdict": view.finish.verdict if view.finish else None,
        "mode": view.plan.mode if view.plan else None,
        "revision": view.plan.revision if view.plan else "",
        "environment_revision": desk.revision_of(view.run),
        "by": asked[1].by if asked else "",
        "reason": reason,
        "began_wall": began,
        "last_wall": view.last_wall or began,
        "elapsed_s": round(view.last, 3),
        "tasks": dict(Counter(view.states.values())),
        "regions": regions(view),
        "retries": view.retries,
        "throttled": view.throttled,
        "seq": book.seq,
        "allowed": allowed(desk, book, stands, principal, four_eyes=four_eyes, open_=open_),
    }


def said(desk: Desk, run: str) -> str:
    """What the command of a run printed last; why it did not begin."""
    try:
        text = command_log(desk, run).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    lines = [line for line in text.splitlines() if line.strip()]
    error = next((i for i, line in enumerate(lines) if line.startswith("error: ")), len(lines) - 1)
    return " ".join(line.strip() for line in lines[error:])[:500]


def command_log(desk: Desk, run: str) -> Any:
    """Where the command of a run writes what it prints."""
    return desk.state.run(run) / "command.log"


def _clouds(desk: Desk) -> dict[str, str]:
    from ..environments.fleets import load_text

    made = desk.revision()
    if made is None:
        return {}
    return {region.name: region.cloud for region in load_text(made.document).fleet.regions}


def _share(view: PortalView) -> str:
    over = sum(1 for state in view.states.values() if state in _OVER)
    return f"{over} of {len(view.states)}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"

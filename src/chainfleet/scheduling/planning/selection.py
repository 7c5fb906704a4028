"""Leaving out parts of a plan: `--only`, `--skip` and `--from`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase

from chainfleet.model.errors import PlanError
from chainfleet.model.task import Phase, Plan, Task, TaskKind

_PHASES = tuple(Phase)


@dataclass(frozen=True, slots=True)
class Selection:
    """What to keep of a plan.

    Attributes:
        only: keep just these; a phase, a region, or a pattern of task ids (`besu/start/*`).
        skip: leave these out, in the same notation.
        start: leave out every phase before this one.
    """

    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    start: Phase | None = None


def select(plan: Plan, selection: Selection) -> Plan:
    """Return the plan without what was left out; what was left out counts as done.

    Raises:
        PlanError: a word matches nothing, or nothing would be left.
    """
    for word in (*selection.only, *selection.skip):
        _check_word(word, plan)
    kept = {task.id for task in plan.tasks if _keeps(task, selection)}
    if not any(task.id in kept and task.kind is TaskKind.WORK for task in plan.tasks):
        raise PlanError("nothing is left of the plan", way_out="widen --only, or drop --skip and --from")
    if len(kept) == len(plan.tasks):
        return plan
    weight = {task.id: task.weight for task in plan.tasks}
    return replace(plan, tasks=tuple(_cut(task, kept, weight) for task in plan.tasks if task.id in kept))


def matches(task: Task, word: str) -> bool:
    """Whether a word (phase, region or pattern of ids) means that task."""
    return word in (task.phase.value, task.region) or fnmatchcase(task.id, word)


def _keeps(task: Task, selection: Selection) -> bool:
    if selection.start is not None and _PHASES.index(task.phase) < _PHASES.index(selection.start):
        return False
    if any(matches(task, word) for word in selection.skip):
        return False
    return not selection.only or any(matches(task, word) for word in selection.only)


def _cut(task: Task, kept: set[str], weight: dict[str, int]) -> Task:
    at_least = task.at_least
    if at_least is not None:
        at_least = max(0, at_least - sum(weight[need] for need in task.needs if need not in kept))
    needs = tuple(need for need in task.needs if need in kept)
    after = tuple(other for other in task.after if other in kept)
    return replace(task, needs=needs, after=after, at_least=at_least)


def _check_word(word: str, plan: Plan) -> None:
    if any(matches(task, word) for task in plan.tasks):
        return
    words: Iterable[str] = {task.region for task in plan.tasks if task.region} | {
        phase.value for phase in Phase
    }
    close = get_close_matches(word, list(words), n=1)
    way_out = (
        f"did you mean `{close[0]}`?"
        if close
        else "give a phase, a region, or a pattern such as `besu/start/*`"
    )
    raise PlanError(f"`{word}` matches no task of the plan", way_out=way_out)

"""A better order than the longest path alone: forward-backward improvement, and the better one is kept.

The longest remaining path ignores that tasks compete for slots; here it is 5-20 % above the best known
schedules. Scheduling backwards from the end in the order of the ends, and forwards again in the order of
those starts (Li and Willis 1992; Valls et al. 2005), shakes the gaps out; perturbed restarts find other
valleys. It pays where durations are well known: at a spread above 0.3 chance undoes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random
from statistics import median

from .blueprint import Blueprint
from .graph import WORK
from .listing import Listed, Listing
from .ranking import Order, order_by

WELL_KNOWN = 0.3
"""Spread of the logarithm of durations up to which a planned order beats the plain rank."""

EFFORT = 150_000
"""Tasks placed in a search; about a second on one core."""

LARGEST = 20_000
"""Tasks up to which a changed order is tried out before it is taken; above, the ranks are taken unseen."""

_PASSES = 8
_MARGIN = 0.002
"""An order must be better by this share in rehearsal to replace the plain one."""


def improved_order(
    blueprint: Blueprint, simulate: Callable[[Order], float], *, effort: int = EFFORT, seed: int = 0
) -> Order:
    """The order for a plan: the searched one if durations are well known and it rehearses better.

    Args:
        blueprint: of the plan.
        simulate: makespan in microseconds that an order comes to; both candidates are asked for.
        effort: tasks placed in the search.
        seed: of the restarts.
    """
    if effort < 2 * blueprint.graph.size or not well_known(blueprint):
        return blueprint.order
    plain_makespan = simulate(blueprint.order)
    if plain_makespan <= blueprint.expected_makespan * (1 + _MARGIN):
        return blueprint.order
    listing = Listing(blueprint.plan, blueprint.graph, blueprint.durations)
    plain = [-rank for rank in blueprint.ranks]
    found = order_by([-start for start in search(listing, plain, effort=effort, seed=seed).starts])
    better = simulate(found) < plain_makespan * (1 - _MARGIN)
    return found if better else blueprint.order


def well_known(blueprint: Blueprint) -> bool:
    """Whether the durations of the tasks that take most of the time are known well enough to plan by."""
    work = sorted(
        (blueprint.durations[t], t) for t in range(blueprint.graph.size) if blueprint.graph.kind[t] == WORK
    )
    weighty = [t for _, t in work[len(work) // 2 :]]
    sigmas = blueprint.sigmas()
    return bool(weighty) and median(sigmas[t] for t in weighty) <= WELL_KNOWN


def search(listing: Listing, priority: Sequence[int], *, effort: int, seed: int) -> Listed:
    """The best schedule found from a priority, within so many placed tasks."""
    rng = Random(seed)  # noqa: S311 - restarts, not secrets
    left = max(1, effort // max(1, listing.size))
    best = listing.forwards(priority)
    current, left = best, left - 1
    while left > 0:
        found, used = _settle(listing, current, left)
        left -= used
        if found.makespan < best.makespan:
            best = found
        current = listing.forwards(_shaken(best.starts, best.makespan, rng))
        left -= 1
    return best


def _settle(listing: Listing, schedule: Listed, most: int) -> tuple[Listed, int]:
    """Forward-backward passes until they no longer help; the best schedule and how many passes it took."""
    best, used, idle = schedule, 0, 0
    while used + 2 <= max(2, min(most, 2 * _PASSES)) and idle < 2:
        back = listing.backwards([-end for end in schedule.ends])
        schedule = listing.forwards([-end for end in back.ends])
        used += 2
        idle = 0 if schedule.makespan < best.makespan else idle + 1
        if schedule.makespan < best.makespan:
            best = schedule
    return best, max(1, used)


def _shaken(starts: Iterable[int], makespan: int, rng: Random) -> list[int]:
    """The order of a good schedule with its tasks moved a little."""
    width = makespan * rng.choice((0.01, 0.03, 0.1, 0.2))
    return [int(start + width * (rng.random() - 0.5)) for start in starts]


def remaining_order(
    blueprint: Blueprint,
    durations: Sequence[int],
    ranks: Sequence[int],
    present: Order,
    over: Iterable[int],
    effort: int = 0,
) -> Order:
    """The order for what is left of a run after durations have drifted: whichever schedules the rest best.

    Args:
        blueprint: of the plan.
        durations: what is expected now; what runs counts with what is left of it.
        ranks: made of those.
        present: the order so far.
        over: tasks that are over.
        effort: tasks placed in a search; none if too few.
    """
    if blueprint.graph.size > LARGEST:
        return order_by(ranks)
    listing = Listing(blueprint.plan, blueprint.graph, durations, over)
    candidates = [[-rank for rank in ranks], list(present.place)]
    best = min((listing.forwards(keys).makespan, i) for i, keys in enumerate(candidates))
    keys = candidates[best[1]]
    if effort >= _PASSES * listing.size and well_known(blueprint):
        found = search(listing, keys, effort=effort, seed=0)
        keys = found.starts if found.makespan < best[0] else keys
    return order_by([-key for key in keys])

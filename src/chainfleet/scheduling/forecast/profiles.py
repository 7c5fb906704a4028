"""Sets of durations by name, so that the same fleet can be rehearsed with other people's assumptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from types import MappingProxyType

from chainfleet.model.errors import InputError
from chainfleet.model.task import Estimate, Plan, TaskKind

from ..planning.estimates import PROFILES

PUBLISHED: Mapping[str, Estimate] = MappingProxyType(
    {action: profile.estimate for action, profile in PROFILES.items()}
)
"""Today's published durations, see `docs/concepts/durations.md`; also what a plan assumes by itself."""

STRATEGY: Mapping[str, Estimate] = MappingProxyType(
    {
        # The strategy says 10-15 min for a cluster: median 12.2 min, and 90 % of the draws in that range.
        "infrastructure/cluster": Estimate(735, 0.123),
        # It gives no other duration. These were chosen once, for all four modes together.
        "infrastructure/network": Estimate(30, 0.25),
        "kubernetes/base": Estimate(75, 0.3),
        "besu/keys": Estimate(5, 0.3),
        "besu/genesis": Estimate(5, 0.3),
        "besu/peers": Estimate(5, 0.3),
        "besu/config": Estimate(30, 0.3),
        "besu/start": Estimate(110, 0.25),
        "besu/chain": Estimate(90, 0.3),
        "contracts/deploy": Estimate(100, 0.3),
        "contracts/round": Estimate(70, 0.3),
        "monitoring/install": Estimate(110, 0.3),
        "verification/region": Estimate(40, 0.3),
        "verification/network": Estimate(40, 0.3),
    }
)
"""What the strategy assumed: clusters take 10-15 minutes."""

NAMED: Mapping[str, Mapping[str, Estimate]] = MappingProxyType({"published": PUBLISHED, "strategy": STRATEGY})


_MOST: Mapping[str, float] = MappingProxyType({"median_s": 1e8, "sigma": 3.0})
"""Largest values of a profile: three years, and a spread with which one of ten attempts takes 47 times the median.
Beyond them a duration in microseconds may no longer fit 64 bits."""


def named_profile(name: str) -> Mapping[str, Estimate]:
    """The durations of that name; InputError if there are none."""
    if name not in NAMED:
        close = get_close_matches(name, NAMED, n=1)
        way_out = f"did you mean `{close[0]}`?" if close else f"one of {', '.join(NAMED)}, or a file"
        raise InputError(f"no profile of durations is called `{name}`", way_out=way_out)
    return NAMED[name]


def profile_from(values: object, source: str) -> Mapping[str, Estimate]:
    """A profile from a document: action to seconds, or to `{median_s, sigma}`.

    Raises:
        InputError: not a mapping, or a duration that can't be; the message names the action.
    """
    if not isinstance(values, Mapping):
        raise InputError(
            f"{source}: a profile maps actions, e.g. `besu/start`, to seconds",
            way_out="write `besu/start: 90` a line",
        )
    return {str(action): _estimate(f"{source}: {action}", value) for action, value in values.items()}


def _estimate(what: str, value: object) -> Estimate:
    fields = value if isinstance(value, Mapping) else {"median_s": value}
    unknown = sorted(map(str, set(fields) - {"median_s", "sigma"}))
    if unknown or "median_s" not in fields:
        wrong = f"`{unknown[0]}` is not known" if unknown else "median_s is missing"
        raise InputError(
            f"{what}: give seconds, or median_s and sigma: {wrong}",
            way_out="write `besu/start: 90`, or {median_s: 90, sigma: 0.3}",
        )
    numbers = {}
    for name, number in fields.items():
        most = _MOST[str(name)]
        if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= most:
            message = f"{what}: {name} of {number!r} can't be"
            raise InputError(message, way_out=f"give a number from 0 to {most:,.0f}")
        numbers[str(name)] = float(number)
    median_s, sigma = numbers["median_s"], numbers.get("sigma")
    return Estimate(median_s) if sigma is None else Estimate(median_s, sigma)


def with_durations(plan: Plan, profile: Mapping[str, Estimate], time_scale: float = 1.0) -> Plan:
    """The plan with the durations of a profile, divided by the time scale.

    Raises:
        InputError: the profile lacks an action that the plan has.
    """
    tasks = []
    for task in plan.tasks:
        if task.kind is not TaskKind.WORK:
            tasks.append(task)
            continue
        action = task.id.rsplit("/", 1)[0]
        if action not in profile:
            raise InputError(
                f"the profile has no duration for {action}", way_out=f"add a line, e.g. `{action}: 30`"
            )
        known = profile[action]
        tasks.append(replace(task, estimate=Estimate(known.median_s / time_scale, known.sigma)))
    return replace(plan, tasks=tuple(tasks))

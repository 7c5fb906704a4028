"""Sets of faults by name, fitted to a plan: when they strike depends on how long it is expected to take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from chainfleet.model.errors import InputError
from chainfleet.model.task import LimitKind

from ..blueprint import Blueprint
from ..units import seconds
from ..world import Change, Faults


def _throttled(plan: Blueprint) -> Faults:
    """The other side grants a third of its documented rates, until three tenths of the run are over."""
    expected = seconds(plan.expected_makespan)
    buckets = [limit for limit in plan.plan.limits if limit.kind is LimitKind.TOKENS]
    changes = {b.name: (Change(0.0, b.rate_per_s / 3), Change(0.3 * expected, b.rate_per_s)) for b in buckets}
    return Faults(real_limits=changes, retry_after_s=0.01 * expected)


def _no_capacity(plan: Blueprint) -> Faults:
    until = 0.3 * seconds(plan.expected_makespan)
    return Faults(no_capacity_until_s=dict.fromkeys(_regions(plan)[:2], until))


def _lost_worker(plan: Blueprint) -> Faults:
    expected = seconds(plan.expected_makespan)
    return Faults(lost_workers_at_s=(0.3 * expected, 0.7 * expected))


def _storm(plan: Blueprint) -> Faults:
    regions = _regions(plan)
    throttled, dry = _throttled(plan), _no_capacity(plan)
    return Faults(
        transient=0.05,
        slow_regions=dict.fromkeys(regions[2:3], 2.0),
        no_capacity_until_s=dry.no_capacity_until_s,
        lost_workers_at_s=_lost_worker(plan).lost_workers_at_s,
        real_limits=throttled.real_limits,
        retry_after_s=throttled.retry_after_s,
    )


_MAKE: Mapping[str, Callable[[Blueprint], Faults]] = MappingProxyType(
    {
        "none": lambda _: Faults(),
        "flaky": lambda _: Faults(transient=0.05),
        "throttled": _throttled,
        "no-capacity": _no_capacity,
        "lost-region": lambda plan: Faults(lost_regions=tuple(_regions(plan)[:1])),
        "slow-region": lambda plan: Faults(slow_regions=dict.fromkeys(_regions(plan)[:1], 2.0)),
        "lost-worker": _lost_worker,
        "people": lambda _: Faults(gate_s=600.0),
        "storm": _storm,
    }
)

FAULT_NAMES = tuple(_MAKE)


def named_faults(name: str, blueprint: Blueprint) -> Faults:
    """The faults of that name, for that plan; InputError if there are none."""
    if name not in _MAKE:
        close = get_close_matches(name, FAULT_NAMES, n=1)
        way_out = f"did you mean `{close[0]}`?" if close else f"one of {', '.join(FAULT_NAMES)}, or a file"
        raise InputError(f"no faults are called `{name}`", way_out=way_out)
    return _MAKE[name](blueprint)


def faults_from(values: object, source: str) -> Faults:
    """Faults from a document with the attributes of `Faults`; limits as lists of `{at_s, capacity}`.

    Raises:
        InputError: an unknown key, or a value of the wrong kind.
    """
    if not isinstance(values, Mapping):
        raise InputError(f"{source}: give a mapping of faults", way_out=f"keys: {', '.join(_KEYS)}")
    unknown = sorted(set(map(str, values)) - set(_KEYS))
    if unknown:
        raise InputError(f"{source}: unknown fault `{unknown[0]}`", way_out=f"one of {', '.join(_KEYS)}")
    shaped: dict[str, Any] = {}
    for key, value in values.items():
        try:
            shaped[str(key)] = _shape(str(key), value)
        except (TypeError, OverflowError) as error:
            raise InputError(
                f"{source}: {key}: {error}",
                way_out="`chainfleet rehearse --help` names the built-in ones to start from",
            ) from None
    return Faults(**shaped)


_KEYS = tuple(field.name for field in fields(Faults))


def _shape(key: str, value: Any) -> Any:
    if key == "lost_regions":
        return tuple(map(str, _list(value)))
    if key == "lost_workers_at_s":
        return tuple(map(_number, _list(value)))
    if key in ("slow_regions", "no_capacity_until_s"):
        return {str(name): _number(number) for name, number in _mapping(value).items()}
    if key == "real_limits":
        return {
            str(name): tuple(_change(each) for each in _list(changes))
            for name, changes in _mapping(value).items()
        }
    if key == "policed":
        if not isinstance(value, bool):
            raise TypeError(f"give true or false, not {value!r}")
        return value
    return None if value is None and key == "retry_after_s" else _number(value)


def _change(value: Any) -> Change:
    if not isinstance(value, Mapping) or set(value) != {"at_s", "capacity"}:
        raise TypeError(f"give at_s and capacity, not {value!r}")
    return Change(_number(value["at_s"]), _number(value["capacity"]))


def _list(value: Any) -> Sequence[Any]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"give a list, not {value!r}")
    return value


def _mapping(value: Any) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise TypeError(f"give a mapping, not {value!r}")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"give a number, not {value!r}")
    return float(value)


def _regions(plan: Blueprint) -> list[str]:
    return [region for region in plan.graph.regions if region is not None]

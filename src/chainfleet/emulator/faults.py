"""The faults in force: which call they strike, and how often still."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from chainfleet.model.errors import InputError

from .seams import Fault, FaultKind

_FIELDS = {field.name for field in fields(Fault)}


class FaultBook:
    """Keeps the faults in force; implements `seams.Faults` and `seams.Durable`.

    Args:
        now: emulated time in seconds.
        seed: of the draws for faults that strike only a share of the calls.
        changed: called after every change, so that the state is kept.
    """

    def __init__(self, now: Callable[[], float], *, seed: int = 0, changed: Callable[[], None]) -> None:
        self._now = now
        self._random = random.Random(seed)  # noqa: S311 - reproducible, not secret
        self._changed = changed
        self._faults: dict[int, Fault] = {}
        self._strikes: dict[int, int] = {}
        self._next = 1

    def add(self, fault: Fault) -> int:
        """Put a fault in force; returns its number."""
        number, self._next = self._next, self._next + 1
        self._faults[number] = fault
        self._strikes[number] = 0
        self._changed()
        return number

    def remove(self, number: int | None = None) -> int:
        """Remove one fault, or all of them; returns how many were removed."""
        gone = list(self._faults) if number is None else [n for n in self._faults if n == number]
        for each in gone:
            del self._faults[each], self._strikes[each]
        if gone:
            self._changed()
        return len(gone)

    def strike(self, kind: FaultKind, *, region: str, resource: str, verb: str = "*") -> Fault | None:
        """Return the fault that strikes this call, if one does, and count it."""
        if not self._faults:
            return None
        for number, fault in list(self._faults.items()):
            if fault.kind is kind and _matches(fault, region, resource, verb) and self._hits(number, fault):
                return fault
        return None

    def _hits(self, number: int, fault: Fault) -> bool:
        if fault.until_s is not None and self._now() >= fault.until_s:
            return False
        if fault.share < 1.0 and self._random.random() >= fault.share:
            return False
        if fault.count is not None:
            if fault.count <= 0:
                return False
            self._faults[number] = replace(fault, count=fault.count - 1)
        self._strikes[number] += 1
        self._changed()
        return True

    def report(self) -> list[dict[str, Any]]:
        """All faults with their numbers and how often they struck, as JSON values."""
        now = self._now()
        return [
            {
                "id": number,
                **asdict(fault),
                "struck": self._strikes[number],
                "over": fault.count == 0 or (fault.until_s is not None and now >= fault.until_s),
            }
            for number, fault in self._faults.items()
        ]

    def dump(self) -> object:
        """State as JSON values."""
        return {
            "next": self._next,
            "faults": [[n, asdict(f), self._strikes[n]] for n, f in self._faults.items()],
        }

    def load(self, state: object) -> None:
        """Take up a state that `dump` gave."""
        if not isinstance(state, Mapping):
            raise TypeError("state of the faults isn't an object")
        self._next = int(state["next"])
        for number, values, strikes in state["faults"]:
            self._faults[number] = fault_from(values, now=0.0)
            self._strikes[number] = strikes


def _matches(fault: Fault, region: str, resource: str, verb: str) -> bool:
    return (
        fault.region in ("*", region)
        and fault.resource in ("*", resource)
        and (fault.verb == "*" or verb == "*" or fault.verb == verb)
    )


def fault_from(values: Mapping[str, Any], *, now: float) -> Fault:
    """Read one fault.

    Args:
        values: the attributes of `seams.Fault`; `for_s` (emulated seconds from now) may stand for `until_s`.
        now: emulated time in seconds.

    Raises:
        InputError: an unknown key or kind, or a value of the wrong type.
    """
    given = dict(values)
    if "for_s" in given:
        given["until_s"] = now + float(given.pop("for_s"))
    unknown = sorted(set(given) - _FIELDS)
    if unknown:
        raise InputError(
            f"fault: unknown key {unknown[0]!r}", way_out=f"known: {', '.join(sorted(_FIELDS))}, for_s"
        )
    kinds = [kind.value for kind in FaultKind]
    if given.get("kind") not in kinds:
        raise InputError(f"fault: unknown kind {given.get('kind')!r}", way_out=f"known: {', '.join(kinds)}")
    _check_numbers(given)
    fault = Fault(**{**given, "kind": FaultKind(given["kind"])})
    return replace(
        fault,
        resource=fault.resource.lower() if "/" in fault.resource else fault.resource,
        verb=fault.verb.upper(),
    )


def _check_numbers(given: Mapping[str, Any]) -> None:
    for key in ("until_s", "count", "share", "factor"):
        value = given.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise InputError(f"fault: {key} must be a number, not {value!r}", way_out="give a number")
    for key in ("region", "resource", "verb"):
        if not isinstance(given.get(key, "*"), str):
            raise InputError(f"fault: {key} must be text, not {given[key]!r}", way_out="put it into quotes")
    if not 0 <= given.get("share", 1.0) <= 1:
        raise InputError(
            f"fault: share must lie between 0 and 1, not {given['share']!r}", way_out="write 0.1 for a tenth"
        )


def faults_from(values: object, *, now: float) -> list[Fault]:
    """Read a fault, a list of faults, or an object with a list under `faults`."""
    if isinstance(values, Mapping) and isinstance(values.get("faults"), list):
        values = values["faults"]
    entries: Iterable[object] = values if isinstance(values, list) else [values]
    found = []
    for entry in entries:
        if not isinstance(entry, Mapping):
            raise InputError(
                f"fault: expected an object with `kind`, found {entry!r}",
                way_out="start an entry with `- kind: …`",
            )
        found.append(fault_from(entry, now=now))
    return found

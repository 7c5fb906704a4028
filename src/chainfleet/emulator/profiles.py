"""Built-in sets of faults, by name, and fault files."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import yaml

from chainfleet.model.complaints import nearest
from chainfleet.model.errors import InputError

from .faults import faults_from
from .seams import Fault, FaultKind

_CLUSTERS = "microsoft.containerservice/managedclusters"

PROFILES: dict[str, tuple[Fault, ...]] = {
    # Counted rather than timed, so that it strikes however fast the machine is;
    # the times (emulated seconds) only make sure that it is over some day.
    "storm": (
        Fault(FaultKind.THROTTLE, resource="*", verb="PUT", share=0.3, count=90, until_s=3600),
        Fault(FaultKind.CAPACITY, region="westeurope", resource=_CLUSTERS, verb="PUT", count=2, until_s=7200),
        Fault(FaultKind.CAPACITY, region="japaneast", resource=_CLUSTERS, verb="PUT", count=2, until_s=7200),
        Fault(FaultKind.POD_CRASH, region="northeurope", resource="northeurope-0", count=3, until_s=10800),
    ),
}


def require_regions(name: str, regions: Collection[str]) -> None:
    """Refuse a file of faults that strike a region which there is none of: they would do nothing, and say nothing.

    Args:
        name: a built-in profile, which fits any fleet, or a file that `named_faults` reads.
        regions: of the fleet that is deployed.

    Raises:
        InputError: with the place in the file.
    """
    if name in PROFILES:
        return
    named_faults(name, now=0.0)
    root = yaml.compose(Path(name).read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    for value in _values_of(root, "region"):
        if value.value != "*" and value.value not in regions:
            mark = value.start_mark
            raise InputError(
                f"{name}:{mark.line + 1}:{mark.column + 1}: the fleet has no region `{value.value}`",
                way_out=nearest(value.value, sorted(regions)),
            )


def _values_of(node: yaml.Node | None, key: str) -> Iterator[yaml.ScalarNode]:
    """What stands under a key, wherever it is written."""
    for inner in node.value if isinstance(node, yaml.CollectionNode) else ():
        if not isinstance(inner, tuple):
            yield from _values_of(inner, key)
        elif inner[0].value == key and isinstance(inner[1], yaml.ScalarNode):
            yield inner[1]
        else:
            yield from _values_of(inner[1], key)


def named_faults(name: str, *, now: float) -> list[Fault]:
    """Faults of a built-in profile or of a YAML or JSON file.

    Raises:
        InputError: neither a profile nor a readable file, or its content isn't a list of faults.
    """
    if name in PROFILES:
        return list(PROFILES[name])
    file = Path(name)
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"faults {name!r}: neither a profile nor a readable file ({error.strerror})",
            way_out=f"profiles: {', '.join(sorted(PROFILES))}",
        ) from error
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(
            f"{name}: not YAML: {' '.join(str(error).split())}",
            way_out="check the file's indentation; an editor shows the place",
        ) from error
    try:
        return faults_from(values, now=now)
    except InputError as error:
        raise InputError(f"{name}: {error.message}", way_out=error.way_out) from error

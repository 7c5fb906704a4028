"""Built-in sets of faults, by name, and fault files."""

from __future__ import annotations

from pathlib import Path

import yaml

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

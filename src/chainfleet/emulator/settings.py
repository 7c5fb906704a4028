"""What the emulator is told on its command line."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PARTS = ("arm", "kubernetes", "chain", "azapi")
DEFAULT_TIME_SCALE = 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """How one emulator runs.

    Attributes:
        state: its state folder.
        time_scale: emulated seconds per real second.
        seed: of durations and of faults that strike a share of the calls.
        faults: a built-in profile or a file; None for none.
        parent_pid: the emulator ends when that process does; None means it has no owner.
        parts: what is started.
    """

    state: Path
    time_scale: float = DEFAULT_TIME_SCALE
    seed: int = 138
    faults: str | None = None
    parent_pid: int | None = None
    parts: frozenset[str] = frozenset(PARTS)


def parse(argv: Sequence[str] | None) -> Settings:
    """Read the command line; exits with 2 and a usage message if it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m chainfleet.emulator",
        description="The emulated cloud: ARM, Kubernetes, Besu and Mainnet on this machine's loopback.",
    )
    add = parser.add_argument
    add(
        "--state",
        type=Path,
        required=True,
        metavar="DIR",
        help="state folder; made where missing, resumed if not empty",
    )
    add(
        "--time-scale",
        type=_positive,
        default=DEFAULT_TIME_SCALE,
        metavar="N",
        help="emulated seconds per real second",
    )
    add("--seed", type=int, default=138, metavar="N", help="equal seeds give equal durations")
    add("--faults", metavar="FILE|NAME", help="YAML or JSON list of faults, or a built-in profile (storm)")
    add("--parent-pid", type=int, metavar="PID", help="end when that process ends")
    add(
        "--parts",
        type=_parts,
        default=frozenset(PARTS),
        metavar="A,B",
        help=f"start only these of {', '.join(PARTS)}",
    )
    given = parser.parse_args(argv)
    return Settings(
        state=given.state.expanduser().resolve(),
        time_scale=given.time_scale,
        seed=given.seed,
        faults=given.faults,
        parent_pid=given.parent_pid,
        parts=given.parts,
    )


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def _parts(text: str) -> frozenset[str]:
    parts = frozenset(part.strip() for part in text.split(",") if part.strip())
    unknown = sorted(parts - set(PARTS))
    if unknown or "arm" not in parts:
        raise argparse.ArgumentTypeError(f"{text!r}: choose of {', '.join(PARTS)}, arm among them")
    return parts

"""The arguments and options that several commands share, each said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainfleet.model.variables import Variable

from .words import note_fleet, note_state


def _scale(value: float | None) -> float | None:
    # Not a range of the option's own: those let `nan` through.
    if value is not None and not FASTEST >= value > 0:
        raise typer.BadParameter(f"give a number above 0, {FASTEST:,} at most")
    return value


def _lease(value: float | None) -> float | None:
    # As above. A longer one is of no use: the run stops before (`ledger.database.PATIENCE_S`).
    if value is not None and not 2 <= value <= 40:
        raise typer.BadParameter("give 2 to 40 seconds")
    return value


def _modes() -> list[str]:
    from chainfleet.model.task import Mode

    return [mode.value for mode in Mode]


FASTEST = 100_000
"""How many times faster than real the emulated cloud can be told to be; its timers know no shorter ones."""

FleetArg = Annotated[
    Path, typer.Argument(metavar="FLEET", callback=note_fleet, help="The fleet file (YAML).")
]
StateOpt = Annotated[
    Path | None,
    typer.Option(
        "--state", metavar="DIR", callback=note_state, help="State folder; default .chainfleet/NAME."
    ),
]
RunArg = Annotated[
    str | None, typer.Argument(metavar="[RUN]", help="Name of the run; the last one by default.")
]
LedgerOpt = Annotated[
    str | None,
    typer.Option(
        "--ledger",
        metavar="URL",
        envvar=Variable.LEDGER,
        help="Keep the ledger in PostgreSQL: postgresql://USER@HOST/DATABASE; the state folder remembers it.",
    ),
]
LeaseOpt = Annotated[
    float | None,
    typer.Option(
        "--lease",
        callback=_lease,
        help="Seconds without a word after which another coordinator may take over; 20 by default.",
    ),
]
PoolOpt = Annotated[
    list[str] | None,
    typer.Option(
        "--pool",
        metavar="[PHASE=]NAME",
        help="Let workers of this pool carry out the attempts (repeatable, by phase); needs --ledger.",
    ),
]
PrivateOpt = Annotated[
    bool,
    typer.Option(
        "--private-clusters",
        help="Clusters are reached from inside their networks only: workers labelled reach=inside take their tasks.",
    ),
]
JsonOpt = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]
ModeOpt = Annotated[
    str | None,
    typer.Option(
        "--mode",
        autocompletion=_modes,
        help="sequential, standard, max or ultra.",
    ),
]
WavesOpt = Annotated[
    str | None, typer.Option("--waves", help="Sizes of the waves: 8,16 or 25%,75% or names joined by +.")
]
OnlyOpt = Annotated[
    list[str] | None, typer.Option("--only", help="Only this phase, region or task pattern (repeatable).")
]
LeavingOpt = Annotated[
    list[str] | None,
    typer.Option(
        "--only", metavar="REGION", help="Only this region, for good (repeatable); vote it out first."
    ),
]
SkipOpt = Annotated[
    list[str] | None,
    typer.Option("--skip", help="Leave out this phase, region or task pattern (repeatable)."),
]
FromOpt = Annotated[str | None, typer.Option("--from", help="Start at this phase.")]
CeilingOpt = Annotated[
    list[str] | None, typer.Option("--ceiling", help="PHASE=N: at most N at once (repeatable).")
]
EmulatedOpt = Annotated[
    bool,
    typer.Option("--emulated", envvar=Variable.EMULATED, help="Use the emulated cloud: no account needed."),
]
ScaleOpt = Annotated[
    float | None,
    typer.Option(
        "--time-scale",
        envvar=Variable.TIME_SCALE,
        callback=_scale,
        help="How much faster than real the emulated cloud is; 60 by default.",
    ),
]
FaultsOpt = Annotated[
    str | None, typer.Option("--faults", help="Faults of the emulated cloud: a file, or `storm`.")
]
EnvFileOpt = Annotated[
    Path | None, typer.Option("--env-file", help="JSON file of environment variables to use.")
]
YesOpt = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
MainnetOpt = Annotated[bool, typer.Option("--allow-mainnet", help="Allow transactions on chain id 1.")]
RunOpt = Annotated[str | None, typer.Option("--run", help="Name of the run; made from the time if left out.")]
ApprovalOpt = Annotated[
    bool, typer.Option("--approval", help="Gates between waves wait for `chainfleet approve`.")
]
ReasonOpt = Annotated[str, typer.Option("--reason", help="Why; it is kept in the ledger.")]
AllowDestroyOpt = Annotated[
    bool, typer.Option("--allow-destroy", help="Allow Terraform to replace or destroy what it made before.")
]
PlainOpt = Annotated[bool, typer.Option("--plain", help="Lines instead of the live view.")]

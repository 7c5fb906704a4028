"""`rehearse` and `forecast`: asks the forecast and prints what it says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
import yaml

from chainfleet.model.errors import InputError
from chainfleet.model.fleet_file import LoadedFleet
from chainfleet.model.task import Estimate, Mode
from chainfleet.runtime.forecast_page import facts, write_page
from chainfleet.runtime.foresight import all_cores, learned_from, outlook_of_run
from chainfleet.runtime.operations import read_run, scaled
from chainfleet.runtime.state import StateFolder
from chainfleet.runtime.targets import PolicyOptions, TargetOptions, load
from chainfleet.scheduling.forecast import Learned, Question, Risk, forecast
from chainfleet.scheduling.forecast.faults import FAULT_NAMES, faults_from
from chainfleet.scheduling.forecast.outlook import late_lines, outlook_document
from chainfleet.scheduling.forecast.profiles import NAMED, named_profile, profile_from
from chainfleet.scheduling.forecast.variations import duration
from chainfleet.scheduling.planning import Machine
from chainfleet.scheduling.world import Faults

SHORT_RUNS = 200
LEAST_GAIN_S = 0.5
"""A change of P90 that is worth a line."""


@dataclass(frozen=True, slots=True)
class RehearseOptions:
    """What `rehearse` was asked, policy aside.

    Attributes:
        every_mode: compare all modes.
        faults, profile: a name or a file.
        risk: of a search for a better setting, as (degraded, exposed); None for no search.
        html: where to write a page.
    """

    every_mode: bool
    runs: int
    faults: str
    profile: str | None
    seed: int
    memory_mib: int
    cores: int
    risk: tuple[float, float] | None
    html: Path | None
    state: Path | None


def run_rehearse(path: Path, policy: PolicyOptions, options: RehearseOptions, *, as_json: bool) -> None:
    """Rehearse a fleet and print, or write, the answer."""
    loaded = load(path)
    question, profile = _question(loaded, policy, options)
    modes = tuple(Mode) if options.every_mode else ()
    risk = None if options.risk is None else Risk(*options.risk)
    with all_cores() as hands:
        document = {**forecast(question, modes=modes, risk=risk, hands=hands), "profile": profile}
    if options.html is not None:
        write_page(options.html, document)
    if as_json:
        typer.echo(json.dumps(document, indent=1, sort_keys=True))
        return
    _print(document)
    if options.html is not None:
        typer.echo(f"\npage: {options.html}")


def run_forecast(path: Path, state: Path | None, *, as_json: bool) -> None:
    """Print when the run that goes on will end; where none does, when the next one would."""
    loaded = load(path)
    folder = TargetOptions(state).state_folder(loaded.fleet.name)
    if folder.ledger.exists():
        run = read_run(folder, loaded.fleet.name).run
        found = outlook_of_run(folder, loaded.fleet.name, run)
        if found is not None:
            document = {"run": run, **outlook_document(*found)}
            if as_json:
                typer.echo(json.dumps(document, indent=1))
                return
            typer.echo(f"{run} ends at {found[0].text()} from its start, 8 of 10 times in that range")
            for line in late_lines(found[1]).values():
                typer.echo(f"  late: {line}")
            return
    fleet, learned = _known(loaded, folder)
    question = Question(fleet, loaded.revision, runs=SHORT_RUNS, learned=learned)
    with all_cores() as hands:
        document = {**forecast(question, what_if=False, hands=hands), "profile": _source(learned)}
    if as_json:
        typer.echo(json.dumps(document, indent=1, sort_keys=True))
    else:
        typer.echo("no run goes on; the next one:")
        _print(document)


def _question(loaded: LoadedFleet, policy: PolicyOptions, options: RehearseOptions) -> tuple[Question, str]:
    folder = TargetOptions(options.state).state_folder(loaded.fleet.name)
    fleet, learned, profile = loaded.fleet, Learned(()), None
    if options.profile is None:
        fleet, learned = _known(loaded, folder)
    else:
        profile = _profile(options.profile)
    question = Question(
        fleet,
        loaded.revision,
        runs=options.runs,
        seed=options.seed,
        faults=_faults(options.faults),
        profile=profile,
        learned=learned,
        overrides=policy.overrides(loaded.fleet),
        selection=policy.selection(),
        machine=Machine(memory_mib=options.memory_mib),
        cores=options.cores,
    )
    return question, options.profile or _source(learned)


def _known(loaded: LoadedFleet, folder: StateFolder) -> tuple[Any, Learned]:
    """The fleet on the cloud that its state folder belongs to, and what that folder's ledger has learned."""
    learned = learned_from(folder, loaded.fleet.name)
    target = folder.recall("target") if learned else None
    scale = (target or {}).get("time_scale", 1.0)
    return scaled(loaded.fleet, scale), learned


def _source(learned: Learned) -> str:
    return f"learned for {len(learned.actions)} actions, else published" if learned else "published"


def _profile(name: str) -> Mapping[str, Estimate]:
    if name in NAMED or not Path(name).exists():
        return named_profile(name)
    return profile_from(_yaml(name), name)


def _faults(name: str) -> str | Faults:
    if name in FAULT_NAMES or not Path(name).exists():
        return name
    return faults_from(_yaml(name), name)


def _yaml(name: str) -> object:
    try:
        return yaml.safe_load(Path(name).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(
            f"{name}: can't be read: {' '.join(str(error).split())}",
            way_out="check the path; it has to be YAML",
        ) from None


# --- the report ----------------------------------------------------------------------------------


def _print(document: Mapping[str, Any]) -> None:
    modes: Mapping[str, Mapping[str, Any]] = document["modes"]
    typer.echo(f"{document['fleet']}: {facts(document)}\n")
    typer.echo(f"{'mode':<11}{'P50':>9}{'P90':>9}{'P99':>9}{'at best':>10}{'× best':>8}{'succeeds':>10}")
    for name, mode in modes.items():
        times = "".join(f"{duration(mode[q]):>9}" for q in ("p50_s", "p90_s", "p99_s"))
        chance = mode["chances"].get("succeeded", 0.0)
        typer.echo(
            f"{name:<11}{times}{duration(mode['lower_bound_s']):>10}{mode['ratio']:>8.2f}{chance:>10.1%}"
        )
    for claim in document["claims"] if len(modes) > 1 else ():
        low, high = claim["claim_min"]
        typer.echo(f"  the strategy says {claim['mode']} takes {low:g}-{high:g} min: {claim['verdict']}")
    for name, mode in modes.items():
        _print_mode(name, mode)
    if document["tuned"] is not None:
        _print_tuned(document["tuned"])


def _print_mode(name: str, mode: Mapping[str, Any]) -> None:
    path = [s for s in mode["critical_path"] if s["share"] >= 0.01]
    typer.echo(f"\n{name}: nothing can be faster than {duration(mode['lower_bound_s'])} ({mode['bound_by']})")
    typer.echo(f"  critical path  {', '.join(_share(s) for s in path)}")
    for held in mode["constraints"][:4]:
        typer.echo(
            f"  held up by     {held['limit']} for {duration(held['seconds'])}, in {held['runs']:.0%} of the runs"
        )
    phases = (f"{p} {duration(s['p50_s'])} ({duration(s['p90_s'])})" for p, s in mode["phases"].items())
    typer.echo(f"  phases end by  {', '.join(phases)}; P50 (P90)")
    typer.echo(
        f"  expected       {mode['throttled']:.1f} × 429, {mode['retries']:.1f} retries, "
        f"{mode['wasted_calls']:.1f} wasted calls, {mode['calls_per_success']:.3f} attempts per success"
    )
    chances = (f"{verdict} {chance:.1%}" for verdict, chance in mode["chances"].items())
    typer.echo(f"  ends           {', '.join(chances)}")
    _print_what_if(mode["what_if"])
    if mode["recommendation"]:
        typer.echo(f"  recommended    {mode['recommendation']}")


def _print_what_if(found: Sequence[Mapping[str, Any]]) -> None:
    for variation in found:
        gain = variation["gain_p90_s"]
        if abs(gain) >= LEAST_GAIN_S:
            text = f"{duration(abs(gain))} {'sooner' if gain > 0 else 'later'}"
            typer.echo(f"  what if        {variation['change']}: P90 {text}")
    same = [v["change"] for v in found if abs(v["gain_p90_s"]) < LEAST_GAIN_S]
    if same:
        typer.echo(f"  no difference  {'; '.join(same)}")


def _print_tuned(tuned: Mapping[str, Any]) -> None:
    gain = tuned["before"]["p90_s"] - tuned["after"]["p90_s"]
    typer.echo(f"\ntuned, {tuned['tried']} settings tried: {' '.join(tuned['options'])}")
    typer.echo(
        f"  P90 {duration(tuned['after']['p90_s'])}, {duration(abs(gain))} {'sooner' if gain >= 0 else 'later'} "
        f"than as declared; "
        f"succeeds {tuned['after']['chances'].get('succeeded', 0.0):.1%}"
    )


def _share(share: Mapping[str, Any]) -> str:
    return f"{share['what']} {share['share']:.0%}"

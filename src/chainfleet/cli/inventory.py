"""`chainfleet import` and `chainfleet drift`: what exists already, and what has changed behind our back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import typer

from chainfleet.model.errors import InputError
from chainfleet.model.fleet import Fleet
from chainfleet.runtime.attempts import Surroundings
from chainfleet.runtime.holding import holding
from chainfleet.runtime.importing import RegionReport, import_fleet
from chainfleet.runtime.operations import Environment, new_run_name, open_environment, scaled, task_environ
from chainfleet.runtime.state import StateFolder
from chainfleet.runtime.targets import TargetOptions, load, open_target, remember_target

from .output import write

_FINDINGS = ("matched", "held", "missing", "drifted", "ambiguous", "foreign")


def run_import(
    path: Path, target: TargetOptions, *, apply: bool, only: list[str] | None, as_json: bool
) -> int:
    """Survey what exists and, with `apply`, import it; returns the exit code."""
    declared = load(path)
    _require_regions(declared.fleet.regions, only)
    if declared.fleet.deployment.terraform.layout == "grouped":
        message = f"{path}: import takes up regions that have a root of their own"
        raise InputError(message, way_out="import with deployment.terraform.layout: per-region")
    state = target.state_folder(declared.fleet.name)
    with open_target(target, state) as cloud:
        loaded = load(path, cloud.environ)
        loaded.require_environment()
        fleet = scaled(loaded.fleet, cloud.time_scale)
        with open_environment(fleet, state, task_environ(cloud.environ)) as environment:
            run = new_run_name("import")
            surroundings = Surroundings(
                fleet=fleet,
                workspace=state.workspace,
                environ=environment.environ,
                log_path=lambda task, attempt: state.log(run, task, attempt),
                outputs=environment.outputs.__getitem__,
                fence=environment.lease.check,
                observed=lambda _observed: None,
                progress=lambda _task, _text: None,
            )
            importing = import_fleet(surroundings, apply=apply, only=only or ())
            reports = asyncio.run(holding(environment.lease, importing))
            remember_target(state, target, cloud)
    if as_json:
        typer.echo(json.dumps({name: _document(report) for name, report in reports.items()}, indent=1))
    else:
        _print(reports, state.workspace, apply=apply)
    return 1 if any(_is_wrong(report) for report in reports.values()) else 0


def run_drift(path: Path, target: TargetOptions, *, as_json: bool) -> int:
    """Compare states with the cloud; returns the exit code."""
    from chainfleet.drivers.inventory.drift import find_drift

    declared = load(path)
    state = target.state_folder(declared.fleet.name)
    with open_target(target, state) as cloud:
        loaded = load(path, cloud.environ)
        environ = task_environ(cloud.environ)
        with _alone(loaded.fleet, state, environ) as environment:
            finding = find_drift(loaded.fleet, state.workspace, environ)
            drift = asyncio.run(finding if environment is None else holding(environment.lease, finding))
    unknown = [name for name, lines in drift.items() if lines is None]
    if drift and len(unknown) == len(drift):
        # A pipeline that looks into the wrong folder must not be told that all is well.
        message = f"{state.root} knows of nothing that was deployed"
        way_out = "name its folder with --state; `chainfleet import FLEET` takes up what exists"
        raise InputError(message, way_out=way_out)
    changed = [name for name, lines in drift.items() if lines]
    if as_json:
        typer.echo(json.dumps({"drift": drift}, indent=1))
        return 1 if changed else 0
    for name in changed:
        for line in drift[name] or ():
            typer.echo(f"{name}: {line}")
    if unknown:
        write(
            f"not deployed from here: {', '.join(unknown)} (`chainfleet import FLEET` takes up what exists)"
        )
    verdict = (
        f"{len(changed)} have drifted: `chainfleet deploy FLEET` puts them right"
        if changed
        else "as deployed"
    )
    compared = len(drift) - len(unknown)
    if compared:
        write(f"{loaded.fleet.name}: {compared} regions compared, {verdict}")
    return 1 if changed else 0


def _alone(
    fleet: Fleet, state: StateFolder, environ: Mapping[str, str]
) -> AbstractContextManager[Environment | None]:
    """Hold the environment where Terraform runs in its roots: what it finds running there it takes for left over."""
    by_terraform = {"aws", "gcp"} & {region.cloud for region in fleet.regions}
    if by_terraform and (state.workspace / "terraform").exists():
        return open_environment(fleet, state, environ)
    return nullcontext()


def _require_regions(regions: tuple[Any, ...], only: list[str] | None) -> None:
    known = [region.name for region in regions if region.cloud != "kubeconfig"]
    if not known:
        message = "the fleet has existing clusters only: nothing of them is Terraform's"
        raise InputError(message, way_out="import is for regions of Azure, AWS and Google Cloud")
    for name in only or ():
        if name not in known:
            raise InputError(f"--only {name}: no such region", way_out=f"one of {', '.join(known)}")


def _is_wrong(report: RegionReport) -> bool:
    return bool(report.problem) or any(
        found.finding.value in ("drifted", "ambiguous") for _, found in report.found
    )


def _document(report: RegionReport) -> dict[str, Any]:
    return {
        "imported": report.imported,
        "problem": report.problem,
        "resources": [
            {
                "stage": stage,
                "finding": found.finding.value,
                "address": found.address,
                "id": found.id,
                "detail": found.detail,
            }
            for stage, found in report.found
        ],
    }


def _print(reports: Mapping[str, RegionReport], workspace: Path, *, apply: bool) -> None:
    header = ("region", *_FINDINGS, "imported")
    rows: list[tuple[str, ...]] = [header]
    for name, report in reports.items():
        counts = [sum(f.finding.value == kind for _, f in report.found) for kind in _FINDINGS]
        rows.append((name, *(str(count or "") for count in counts), " ".join(report.imported)))
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    typer.echo("")
    for name, report in reports.items():
        for _, found in report.found:
            if found.finding.value in ("drifted", "ambiguous", "foreign"):
                write(f"{found.finding.value:<10} {name}: {found.address or found.id}: {found.detail}")
        if report.problem:
            write(f"{'refused':<10} {name}: {report.problem}")
    if not apply and any(f.finding.value == "matched" for r in reports.values() for _, f in r.found):
        blocks = workspace / "terraform" / "REGION" / "STAGE" / "chainfleet_adoption.tf.json"
        typer.echo(f"import blocks: {blocks}; `--apply` imports them")

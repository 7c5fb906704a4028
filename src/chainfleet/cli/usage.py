"""`chainfleet usage`: whether every region has room for the fleet; also the preflight of a deployment."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import typer

from chainfleet.drivers.inventory.needs import VAULT_SECRETS
from chainfleet.model.errors import EnvironmentProblem, ErrorClass, InputError, TaskFailed
from chainfleet.model.fleet import Fleet
from chainfleet.model.region import known_regions
from chainfleet.runtime.operations import deployed_regions, task_environ
from chainfleet.runtime.state import StateFolder
from chainfleet.runtime.targets import TargetOptions, load, open_target

from .output import write

if TYPE_CHECKING:
    from chainfleet.drivers.inventory.needs import Check
    from chainfleet.drivers.inventory.usage import Usage


def run_usage(
    path: Path, target: TargetOptions, *, all_regions: bool, junit: Path | None, as_json: bool
) -> int:
    """Check all regions; returns the exit code."""
    from chainfleet.drivers.inventory.usage import validate_usage

    declared = load(path)
    state = target.state_folder(declared.fleet.name)
    with open_target(target, state) as cloud:
        loaded = load(path, cloud.environ)
        clouds = _clouds_of(loaded.fleet)
        if any(loaded.fleet.clouds.account_of(cloud).startswith("${") for cloud in clouds):
            loaded.require_environment()
        usage = validate_usage(
            loaded.fleet,
            task_environ(cloud.environ),
            regions=[name for cloud in clouds for name in sorted(known_regions(cloud))]
            if all_regions
            else None,
            deployed=deployed_regions(state, loaded.fleet.name),
        )
    if junit is not None:
        _write_junit(junit, loaded.fleet, usage)
    if as_json:
        typer.echo(json.dumps(usage_document(loaded.fleet, usage), indent=1))
    else:
        _print(loaded.fleet, usage)
    return 1 if usage.failed else 0


def require_room(fleet: Fleet, environ: Mapping[str, str], state: StateFolder) -> None:
    """Refuse a deployment that would run into a quota or a restriction.

    What can't be found out is said and doesn't stop anybody: the deployment itself will meet it.

    Raises:
        InputError: a region has no room.
        TaskFailed: the credentials are refused.
    """
    if not _clouds_of(fleet):
        return
    from chainfleet.drivers.inventory.usage import validate_usage

    try:
        usage = validate_usage(fleet, environ, deployed=deployed_regions(state, fleet.name))
    except (EnvironmentProblem, TaskFailed) as error:
        if isinstance(error, TaskFailed) and error.error_class is ErrorClass.AUTHORISATION:
            raise
        write(f"usage could not be checked: {error}", err=True)
        return
    if usage.failed:
        first = usage.failed[0]
        others = len({check.region for check in usage.failed}) - 1
        more = f" (and {others} more regions: `chainfleet usage FLEET`)" if others else ""
        raise InputError(f"{_sentence(first)}{more}", way_out=_ways_out(first, usage))


def _clouds_of(fleet: Fleet) -> list[str]:
    """Clouds with quotas that the fleet is in."""
    return sorted({region.cloud for region in fleet.regions} - {"kubeconfig"})


def usage_document(fleet: Fleet, usage: Usage) -> dict[str, Any]:
    """What was found, as JSON values."""
    return {
        "fleet": fleet.name,
        "ok": not usage.failed,
        "regions": {name: [_row(check) for check in checks] for name, checks in usage.checks.items()},
        "instead": dict(usage.instead),
    }


def _row(check: Check) -> dict[str, Any]:
    return {
        "what": check.what,
        "quota": check.quota,
        "needed": check.needed,
        "used": check.used,
        "limit": check.limit,
        "verdict": check.verdict.value,
        "way_out": check.way_out,
    }


def _print(fleet: Fleet, usage: Usage) -> None:
    rows = list(_lines(usage))
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    typer.echo("")
    for check in (c for checks in usage.checks.values() for c in checks if c.way_out):
        write(f"{check.verdict.value:<12} {check.region}: {check.what}: {check.way_out}")
    for name, other in usage.instead.items():
        advice = f"take {other} instead" if other else "no reserve region has room"
        typer.echo(f"{'instead':<12} {name}: {advice}")
    bad = len({check.region for check in usage.failed})
    typer.echo(f"{fleet.name}: {len(usage.checks)} regions checked, {bad or 'none'} without room")


def _lines(usage: Usage) -> Iterable[Sequence[str]]:
    """A line for each region: what binds there, and nothing of what has plenty of room."""
    yield ("region", "verdict", "what binds", "needed", "used", "limit")
    for name, checks in usage.checks.items():
        worst = max(checks, key=_severity)
        numbers = ("" if value is None else str(value) for value in (worst.used, worst.limit))
        yield (name, worst.verdict.value, worst.what, str(worst.needed or ""), *numbers)


def _severity(check: Check) -> tuple[int, float]:
    order = ("ok", "unknown", "tight", "short", "unavailable")
    share = (check.used or 0) + check.needed
    return order.index(check.verdict.value), share / check.limit if check.limit else 0.0


def _sentence(check: Check) -> str:
    if check.what == VAULT_SECRETS:
        return f"{check.region}: {check.what}: these credentials may not write them"
    if check.limit is None:
        return f"{check.region}: {check.what}: {check.way_out}"
    return (
        f"{check.region}: {check.what}: {check.needed} needed, {check.used} of {check.limit} used "
        f"({check.quota})"
    )


def _ways_out(check: Check, usage: Usage) -> str:
    other = usage.instead.get(check.region)
    ways = [check.way_out] if check.limit is not None or check.what == VAULT_SECRETS else []
    ways += [f"take {other} instead"] if other else []
    return ", or ".join(ways) or "take another region"


def _write_junit(path: Path, fleet: Fleet, usage: Usage) -> None:
    """One test case for each region and thing, so that pipelines show what failed."""
    checks = [check for found in usage.checks.values() for check in found]
    counts = {"tests": str(len(checks)), "failures": str(len(usage.failed))}
    suite = ElementTree.Element("testsuite", {"name": f"usage of {fleet.name}", **counts})
    for check in checks:
        case = ElementTree.SubElement(suite, "testcase", {"classname": check.region, "name": check.what})
        if check.verdict.stops:
            failure = ElementTree.SubElement(case, "failure", {"message": _sentence(check)})
            failure.text = _ways_out(check, usage)
        elif check.verdict.value == "unknown":
            ElementTree.SubElement(case, "skipped", {"message": check.way_out or "not told by the cloud"})
    try:
        ElementTree.ElementTree(suite).write(path, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise EnvironmentProblem(
            f"can't write {path}: {error.strerror or error}",
            way_out="give a path in a folder that you may write to",
        ) from None

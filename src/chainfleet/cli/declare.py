"""The commands that change nothing: init, schema, check, plan, render."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from chainfleet.model.errors import ChainfleetError, InputError
from chainfleet.model.fleet import Fleet
from chainfleet.model.fleet_file import json_schema, new_fleet
from chainfleet.model.task import Phase, Plan, TaskKind
from chainfleet.runtime.targets import PolicyOptions, load, machine, place_of
from chainfleet.scheduling.planning import make_plan, select

if TYPE_CHECKING:
    from chainfleet.drivers.besu.vault import Vault


def print_new_fleet(name: str, chain_id: int, regions: int) -> None:
    """Print a fleet file to start from."""
    typer.echo(new_fleet(name, chain_id, regions), nl=False)


def print_schema() -> None:
    """Print the JSON Schema of the fleet file."""
    typer.echo(json.dumps(json_schema(), indent=2))


def run_plan(path: Path, policy: PolicyOptions, *, as_json: bool) -> None:
    """Print the plan of a fleet with the policy that is in effect."""
    from chainfleet.scheduling.bounds import lower_bound

    loaded = load(path)
    plan = make_plan(
        loaded.fleet, loaded.revision, machine=machine(), overrides=policy.overrides(loaded.fleet)
    )
    plan = select(plan, policy.selection())
    bound = lower_bound(plan)
    if as_json:
        typer.echo(json.dumps(_plan_document(loaded.fleet, plan, bound.seconds, bound.binding), indent=1))
        return
    fleet = loaded.fleet
    typer.echo(
        f"{fleet.name}: {fleet.validator_count} validators in {len(fleet.regions)} regions, revision {plan.revision}"
    )
    typer.echo(
        f"mode {plan.mode.value}, {len(plan.tasks)} tasks, {sum(len(t.needs) + len(t.after) for t in plan.tasks)} edges"
    )
    typer.echo(f"\n{'phase':<16}{'tasks':>6}{'at once':>9}")
    ceilings = {limit.name: limit.capacity for limit in plan.limits}
    for phase in Phase:
        works = [task for task in plan.tasks if task.phase is phase and task.kind is TaskKind.WORK]
        if works:
            typer.echo(f"{phase.value:<16}{len(works):>6}{ceilings[f'{phase.value}/slots']:>9.0f}")
    for line in _waves(fleet, plan):
        typer.echo(line)
    retry = plan.policy.retry
    attempts = max(task.max_attempts for task in plan.tasks)
    typer.echo(
        f"\nretries: {attempts} attempts, waits up to {retry.base_s:g} s doubling to {retry.cap_s:g} s, full jitter"
    )
    typer.echo(
        f"no deployment of this plan can be faster than {_minutes(bound.seconds)} (bound by {bound.binding})"
    )
    for name, place in sorted(loaded.unresolved.items()):
        typer.echo(f"not set yet: {name} ({place})")


def _waves(fleet: Fleet, plan: Plan) -> Iterator[str]:
    """A line for each wave; one that leaves the network without a quorum says so, for its gate sees no block."""
    from chainfleet.model.besu.quorum import quorum_of

    started, quorum = 0, quorum_of(fleet.validator_count).quorum
    for index, wave in enumerate(plan.waves, start=1):
        started += sum(fleet.validators_of(fleet.region(name)) for name in wave)
        short = (
            f", {started} of {quorum} validators that a block takes: none comes yet"
            if started < quorum
            else ""
        )
        yield f"wave {index}: {len(wave)} regions ({', '.join(wave)}){short}"


def run_check(path: Path, *, as_json: bool) -> int:
    """Check everything that can be checked before anything exists; returns the exit code."""
    from chainfleet.drivers.besu.check import check_network

    loaded = load(path)
    make_plan(loaded.fleet, loaded.revision)
    rows: list[dict[str, Any]] = [
        {"severity": finding.severity, "message": finding.message, "place": place_of(loaded, finding.place)}
        for finding in check_network(loaded.fleet)
    ]
    rows += [
        {"severity": "warning", "message": f"environment variable {name} is not set", "place": str(place)}
        for name, place in sorted(loaded.unresolved.items())
    ]
    rows += _check_tools()
    rows += _check_layout(loaded.fleet)
    errors = sum(row["severity"] == "error" for row in rows)
    if as_json:
        typer.echo(json.dumps({"fleet": loaded.fleet.name, "ok": not errors, "findings": rows}, indent=1))
    else:
        for row in rows:
            typer.echo(f"{row['severity']:<8} {row['place']}: {row['message']}")
        verdict = f"{errors} errors" if errors else "ok"
        warnings = sum(row["severity"] == "warning" for row in rows)
        typer.echo(f"{loaded.fleet.name}: {verdict}, {warnings} warnings")
    return InputError.exit_code if errors else 0


def run_render(path: Path, output: Path, state: Path | None, *, as_json: bool) -> None:
    """Write every region's Kubernetes objects as YAML."""
    from chainfleet.drivers.besu.render import write_rendered
    from chainfleet.runtime.looking import recorded_outputs
    from chainfleet.runtime.targets import TargetOptions

    loaded = load(path)
    folder = TargetOptions(state).state_folder(loaded.fleet.name)
    network = "infrastructure/network/"
    left = recorded_outputs(folder, loaded.fleet.name)
    addresses = {
        task.removeprefix(network): tuple(outputs["public_ips"])
        for task, outputs in left.items()
        if task.startswith(network) and "public_ips" in outputs
    }
    written = write_rendered(
        loaded.fleet,
        output,
        workspace=folder.workspace,
        addresses=addresses,
        vaults=_vaults(loaded.fleet, left),
    )
    missing = {region: list(names) for region, names in written.placeholders.items() if names}
    if as_json:
        document = {
            "folder": str(output),
            "files": [str(file) for file in written.files],
            "placeholders": missing,
        }
        typer.echo(json.dumps(document, indent=1))
        return
    typer.echo(f"{len(written.files)} files in {output}/, one folder per region")
    if missing:
        first = next(iter(missing))
        typer.echo(
            f"not known before the networks exist, marked in {len(missing)} regions: {', '.join(missing[first])}"
        )


def _vaults(fleet: Fleet, outputs: Mapping[str, Mapping[str, Any]]) -> dict[str, Vault]:
    """The key vaults that a deployment left."""
    from chainfleet.drivers.besu.vault import Vault

    head, tenant = "infrastructure/cluster/", fleet.clouds.azure.tenant_id
    return {
        task.removeprefix(head): Vault(left["vault_name"], left["vault_uri"], tenant, left["identity_id"])
        for task, left in outputs.items()
        if task.startswith(head) and left.get("vault_name")
    }


def _check_tools() -> list[dict[str, Any]]:
    import os

    from chainfleet.drivers.terraform import check_tool

    try:
        tool = check_tool(os.environ)
    except ChainfleetError as error:
        return [{"severity": "error", "message": str(error), "place": "this machine"}]
    return [{"severity": "info", "message": f"{tool.name} {tool.version}", "place": "this machine"}]


LARGE_PROVIDER_MIB = 320
"""Private memory of one Terraform with a large provider (measured with a 707 MB one: 7.7 GiB for 24 at once)."""

_REGIONS_PER_CORE = 12


def _check_layout(fleet: Fleet) -> list[dict[str, Any]]:
    """Whether so many Terraforms at once fit into this machine; sharing roots is the way out."""
    import os

    import psutil

    sharing = sum(region.cloud == "azure" for region in fleet.regions)
    if fleet.deployment.terraform.layout == "grouped" or not sharing:
        return []
    at_once = min(sharing, fleet.deployment.ceilings.infrastructure)
    free = psutil.virtual_memory().available // 2**20
    if at_once * LARGE_PROVIDER_MIB <= free // 2 and at_once <= _REGIONS_PER_CORE * (os.cpu_count() or 1):
        return []
    message = (
        f"{at_once} Terraforms at once may need {at_once * LARGE_PROVIDER_MIB} MiB with a large provider, {free} are "
        f"free on {os.cpu_count()} cores: `deployment.terraform.layout: grouped` needs about a third"
    )
    return [{"severity": "info", "message": message, "place": "this machine"}]


def _plan_document(fleet: Fleet, plan: Plan, bound_s: float, bound_by: str) -> dict[str, Any]:
    return {
        "fleet": plan.fleet,
        "revision": plan.revision,
        "mode": plan.mode.value,
        "regions": [region.name for region in fleet.regions],
        "validators": fleet.validator_count,
        "waves": [list(wave) for wave in plan.waves],
        "limits": {
            limit.name: {"kind": limit.kind.value, "capacity": limit.capacity, "rate_per_s": limit.rate_per_s}
            for limit in plan.limits
        },
        "lower_bound_s": round(bound_s, 3),
        "bound_by": bound_by,
        "tasks": [
            {
                "id": t.id,
                "kind": t.kind.value,
                "needs": list(t.needs),
                "after": list(t.after),
                "median_s": t.estimate.median_s,
            }
            for t in plan.tasks
        ],
    }


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"

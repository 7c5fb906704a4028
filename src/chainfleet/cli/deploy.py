"""The commands that run something: deploy, resume, retry, verify, destroy, emulator."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import typer

from chainfleet.ledger.database import Postgres
from chainfleet.ledger.lease import TTL_S, holder_of
from chainfleet.ledger.projection import RunView
from chainfleet.model.errors import EnvironmentProblem, ExitCode, InputError, LeaseLost
from chainfleet.model.event import ResumeRequested, RetryRequested, Verdict
from chainfleet.model.fleet import Fleet
from chainfleet.model.fleet_file import LoadedFleet, flat_document
from chainfleet.model.task import Plan
from chainfleet.runtime.asking import whoami
from chainfleet.runtime.coordinator import Coordinator, Observer
from chainfleet.runtime.distribution import Distribution, pools_of
from chainfleet.runtime.environments import note_revision
from chainfleet.runtime.foresight import learned_from
from chainfleet.runtime.operations import (
    Environment,
    RunResult,
    continue_run,
    forgotten_regions,
    open_environment,
    read_run,
    run_name,
    scaled,
    start_run,
    task_environ,
    tasks_to_retry,
)
from chainfleet.runtime.report import write_report
from chainfleet.runtime.state import StateFolder
from chainfleet.runtime.targets import (
    PolicyOptions,
    Target,
    TargetOptions,
    load,
    machine,
    open_target,
    remember_target,
    remember_workers,
)
from chainfleet.runtime.telemetry import Telemetry
from chainfleet.scheduling.planning import Machine, Selection, make_destroy_plan, make_plan, select

from .leaving import forgotten_lines, refuse_leftovers, require_regions, require_voted_out
from .output import let_go, tell, write
from .refusing import makes_infrastructure, refuse_faults, refuse_unsafe, require_database, require_tools
from .steering import tell_running
from .summary import print_result
from .usage import require_room
from .views import Screen, choose_screen

STANDBY_EVERY_S = 1.0
"""How often a standby looks whether it is needed."""

EXIT_OF = {
    Verdict.SUCCEEDED: ExitCode.WELL,
    Verdict.FAILED: ExitCode.FAILED,
    Verdict.DEGRADED: ExitCode.DEGRADED,
    Verdict.CANCELLED: ExitCode.CANCELLED,
}

MakeObservers = Callable[[Coordinator], Sequence[Observer]]
Work = Callable[[Environment, MakeObservers], Coroutine[Any, Any, RunResult]]


def run_deploy(
    path: Path,
    target: TargetOptions,
    policy: PolicyOptions,
    *,
    run: str | None,
    yes: bool,
    plain: bool,
    as_json: bool,
) -> int:
    """Deploy a fleet; returns the exit code."""
    declared = load(path)
    if (
        not target.emulated
        and target.env_file is None
        and _recalled(target.state_folder(declared.fleet.name)) is None
    ):
        declared.require_environment()
    # What is wrong is told before a cloud is started or a question asked.
    wanted = select(
        make_plan(declared.fleet, declared.revision, overrides=policy.overrides(declared.fleet)),
        policy.selection(),
    )
    refuse_unsafe(declared)
    refuse_faults(target, declared.fleet)
    require_tools(wanted)
    state = target.state_folder(declared.fleet.name)
    require_database(target, state)
    _confirm(declared.fleet, target, yes=yes)
    for line in forgotten_lines(forgotten_regions(state, declared.fleet), path):
        write(line, err=True)
    with open_target(target, state) as cloud:
        loaded = load(path, cloud.environ)
        loaded.require_environment()
        fleet = scaled(loaded.fleet, cloud.time_scale)
        plan = make_plan(
            fleet, loaded.revision, machine=_machine(target, state), overrides=policy.overrides(fleet)
        )
        learned = learned_from(state, fleet.name)
        plan = select(learned.applied(plan), policy.selection())
        if makes_infrastructure(plan):
            require_room(fleet, task_environ(cloud.environ), state)

        async def work(environment: Environment, observers: MakeObservers) -> RunResult:
            remember_target(state, target, cloud)
            remember_workers(state, target)
            _note_revision(path, loaded, environment, target.settings(cloud))
            name = run_name("deploy", run)
            return await start_run(environment, plan, name, observers, common=learned.common)

        return _run(path, target, fleet, state, cloud, work, plain=plain, as_json=as_json)


def run_resume(
    path: Path, target: TargetOptions, *, retry: list[str] | None, plain: bool, as_json: bool
) -> int:
    """Go on with the last run, or retry what failed in it; returns the exit code."""
    declared = load(path)
    state = target.state_folder(declared.fleet.name)
    target = target.with_workers(state)
    view = read_run(state, declared.fleet.name)
    if view.plan is None:
        raise InputError(f"run {view.run} has no plan", way_out="deploy again: what exists is adopted")
    again = tasks_to_retry(view, retry or ())
    if retry and not again:
        raise InputError(
            f"nothing that failed in {view.run} is named `{' '.join(retry)}`",
            way_out="`chainfleet status FLEET` lists what failed",
        )
    event = ResumeRequested() if retry is None else RetryRequested(again)
    holder = tell_running(state, declared.fleet.name, event)
    if holder is not None:
        typer.echo(f"{holder} {'goes on' if retry is None else 'tries again what failed'}")
        return 0
    if view.finish is not None and view.finish.verdict is Verdict.SUCCEEDED:
        typer.echo(f"{view.run} has succeeded: nothing is left to do, this is how it ended", err=True)
    require_tools(view.plan)
    with open_target(target, state) as cloud:
        loaded = load(path, cloud.environ)
        loaded.require_environment()
        _same_fleet(view.plan, loaded.revision, path)
        fleet = scaled(loaded.fleet, cloud.time_scale)

        async def work(environment: Environment, observers: MakeObservers) -> RunResult:
            return await continue_run(environment, view, observers, retry=retry)

        return _run(path, target, fleet, state, cloud, work, plain=plain, as_json=as_json)


def run_standby(path: Path, target: TargetOptions, *, plain: bool, as_json: bool) -> int:
    """Wait until nobody runs the environment any more, and go on with its last run if that has not ended."""
    name = load(path).fleet.name
    state = target.state_folder(name)
    said = ""
    while True:
        waits_for = "takes over when the coordinator is gone"
        try:
            if holder_of(state.ledger) is None:
                view = _begun(state, name)
                if view is not None and view.finish is not None:
                    typer.echo(f"{view.run} has ended: {view.finish.verdict.value}", err=True)
                    return EXIT_OF[view.finish.verdict]
                if view is not None:
                    typer.echo(
                        f"standing by: nobody runs {view.run} any more, this goes on with it", err=True
                    )
                    return run_resume(path, target, retry=None, plain=plain, as_json=as_json)
                waits_for = f"nothing was begun in {state.root} yet"
        except (LeaseLost, EnvironmentProblem) as error:
            # Another one was quicker, or the database is away: both pass.
            waits_for = error.message
        if waits_for != said:
            said = waits_for
            typer.echo(f"standing by: {said}", err=True)
        time.sleep(STANDBY_EVERY_S)


def _begun(state: StateFolder, name: str) -> RunView | None:
    """The last run; None where there is none yet, though its ledger may be made already."""
    try:
        return read_run(state, name)
    except InputError:
        return None


def run_verify(path: Path, target: TargetOptions, *, run: str | None, plain: bool, as_json: bool) -> int:
    """Verify everything anew; returns the exit code."""
    declared = load(path)
    state = target.state_folder(declared.fleet.name)
    target = target.with_workers(state)
    read_run(state, declared.fleet.name)
    with open_target(target, state) as cloud:
        loaded = load(path, cloud.environ)
        fleet = scaled(loaded.fleet, cloud.time_scale)
        plan = select(
            make_plan(fleet, loaded.revision, machine=_machine(target, state)),
            Selection(only=("verification",)),
        )

        async def work(environment: Environment, observers: MakeObservers) -> RunResult:
            return await start_run(environment, plan, run_name("verify", run), observers)

        return _run(path, target, fleet, state, cloud, work, plain=plain, as_json=as_json)


def run_destroy(
    path: Path,
    target: TargetOptions,
    *,
    only: Sequence[str],
    run: str | None,
    confirm: str | None,
    plain: bool,
    as_json: bool,
) -> int:
    """Take a fleet down, or some of its regions; returns the exit code."""
    declared = load(path)
    state = target.state_folder(declared.fleet.name)
    target = target.with_workers(state)
    read_run(state, declared.fleet.name)
    require_tools(make_plan(declared.fleet, declared.revision))
    require_regions(declared.fleet, only)
    if not only:
        refuse_leftovers(state, declared.fleet, path)
    _confirm_destroy(declared.fleet, only, confirm)
    with open_target(target, state) as cloud:
        loaded = load(path, cloud.environ)
        loaded.require_environment()
        fleet = scaled(loaded.fleet, cloud.time_scale)
        plan = make_destroy_plan(make_plan(fleet, loaded.revision, machine=_machine(target, state)), fleet)
        if only:
            require_voted_out(fleet, state, cloud, only)
            plan = select(plan, Selection(only=tuple(only)))

        async def work(environment: Environment, observers: MakeObservers) -> RunResult:
            return await start_run(environment, plan, run_name("destroy", run), observers, undo=True)

        return _run(path, target, fleet, state, cloud, work, plain=plain, as_json=as_json)


def run_emulator(state: Path, time_scale: float | None, faults: str | None) -> int:
    """Run the emulated cloud in the foreground until it is interrupted."""
    from chainfleet.emulator.process import main as emulate
    from chainfleet.runtime.targets import DEFAULT_TIME_SCALE

    arguments = ["--state", str(state), "--time-scale", str(time_scale or DEFAULT_TIME_SCALE)]
    return emulate([*arguments, *(["--faults", faults] if faults else [])]) or 0


def _machine(options: TargetOptions, state: StateFolder) -> Machine:
    """What a plan may use: this machine, or all workers of its pools that are there now."""
    place = state.ledger
    if options.pools and isinstance(place, Postgres):
        from chainfleet.runtime.distributed.executor import machine_of

        cores, memory_mib, workers = machine_of(place.url, list(pools_of(options.pools).values()))
        if workers:
            return Machine(memory_mib=memory_mib, cores=cores)
    return machine()


def _distribution(path: Path, options: TargetOptions, cloud: Target) -> Distribution | None:
    """How the run is spread over workers; None where this process does all."""
    if not options.pools:
        return None
    pools, private = pools_of(options.pools), options.private_clusters
    return Distribution(_document(path), cloud.time_scale, pools, private_clusters=private)


def _run(
    path: Path,
    options: TargetOptions,
    fleet: Fleet,
    state: StateFolder,
    cloud: Target,
    work: Work,
    *,
    plain: bool,
    as_json: bool,
) -> int:
    environ, lease_s = task_environ(cloud.environ), options.lease_s or TTL_S
    distribution = _distribution(path, options, cloud)
    with open_environment(fleet, state, environ, lease_s=lease_s) as environment:
        environment.distribution = distribution
        environment.tell = partial(tell, err=True)
        screen = choose_screen(plain=plain, as_json=as_json)
        with screen:
            result = asyncio.run(_observed(work, environment, screen, fleet))
        report = state.report(result.run)
        write_report(report, fleet, result.view)
    try:
        print_result(fleet, result, report, as_json=as_json)
    except OSError:
        # How the run ended is told by the exit code all the same.
        let_go()
    return EXIT_OF[result.finish.verdict]


async def _observed(work: Work, environment: Environment, screen: Screen, fleet: Fleet) -> RunResult:
    """Do the work, seen by the terminal and by whatever telemetry the environment asks for."""
    async with Telemetry(environment.environ).running() as telemetry:
        return await work(
            environment,
            lambda coordinator: [*_watch(coordinator, screen, fleet), *telemetry.observers(coordinator)],
        )


def _watch(coordinator: Coordinator, screen: Screen, fleet: Fleet) -> Sequence[Observer]:
    screen.attach(coordinator, fleet)
    return [screen]


def _note_revision(
    path: Path, loaded: LoadedFleet, environment: Environment, settings: Mapping[str, object]
) -> None:
    """Keep in the ledger what is deployed, so that others see it and what changed since."""
    note_revision(environment.ledger, _document(path), loaded.revision, settings, by=whoami())


def _document(path: Path) -> str:
    return flat_document(str(path), lambda name: Path(name).read_text(encoding="utf-8"))


def _recalled(state: StateFolder) -> Any:
    return state.recall("target")


def _same_fleet(plan: Plan, revision: str, path: Path) -> None:
    if plan.revision != revision:
        message = f"{path} has changed since that run (revision {plan.revision}, now {revision})"
        raise InputError(
            message,
            way_out="run `chainfleet deploy FLEET`: what exists is adopted, only the difference is done",
        )


def _confirm(fleet: Fleet, target: TargetOptions, *, yes: bool) -> None:
    if yes or target.emulated:
        return
    text = f"Deploy {fleet.name}: {fleet.validator_count} validators in {len(fleet.regions)} regions?"
    if not sys.stdin.isatty():
        raise InputError("there is nobody to ask", way_out="give --yes")
    if not typer.confirm(text, err=True):
        raise InputError(
            "not confirmed; nothing was done",
            way_out="answer y, or give --yes",
        )


def _confirm_destroy(fleet: Fleet, only: Sequence[str], confirm: str | None) -> None:
    count = sum(fleet.validators_of(r) for r in fleet.regions if not only or r.name in only)
    what = f"{len(only)} of {len(fleet.regions)}" if only else str(len(fleet.regions))
    ends = "" if only else ": the chain ends"
    text = f"This deletes {count} validators in {what} regions{ends}. Type the fleet's name"
    if confirm is None:
        if not sys.stdin.isatty():
            raise InputError("there is nobody to ask", way_out=f"give --confirm {fleet.name}")
        confirm = typer.prompt(text, err=True)
    if confirm != fleet.name:
        raise InputError(
            f"`{confirm}` is not the fleet's name; nothing was done", way_out=f"type {fleet.name}"
        )

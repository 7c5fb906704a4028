"""What an operator can do with an environment: the same functions behind the command line and the portal."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from types import MappingProxyType
from typing import Any

from chainfleet.ledger.codec import encode
from chainfleet.ledger.database import Postgres
from chainfleet.ledger.lease import TTL_S, Lease, open_lease
from chainfleet.ledger.mailbox import Mailbox
from chainfleet.ledger.outputs import all_outputs, regions_of
from chainfleet.ledger.projection import MISSING_WORKERS, RunView, project
from chainfleet.ledger.store import Entry, Ledger, Record
from chainfleet.model.errors import InputError
from chainfleet.model.event import CancelRequested, Event, Finish, RetryRequested, RunStarted, TaskState
from chainfleet.model.fleet import Fleet
from chainfleet.model.task import Plan, Task
from chainfleet.scheduling.planning.selection import matches

from .attempts import Surroundings, run_attempt
from .coordinator import Coordinator, Observer, RunAttempt
from .distribution import Distribution
from .foresight import FORECAST, first_forecast
from .gates import decide_gate
from .own_attempts import own_attempts
from .registry import Drivers
from .sharing import open_sharing, started_with
from .state import StateFolder


@dataclass(slots=True)
class Environment:
    """A fleet with its state folder, opened for running: ledger and lease are held.

    Attributes:
        fleet: the resolved fleet.
        state: its folder.
        environ: endpoints and credentials for tools and clients.
        ledger: the open ledger.
        lease: held as long as the environment is open.
        outputs: what tasks left behind in earlier runs.
    """

    fleet: Fleet
    state: StateFolder
    environ: Mapping[str, str]
    ledger: Ledger
    lease: Lease
    outputs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    distribution: Distribution | None = None
    """How attempts are handed to workers; None carries them out in this process."""
    tell: Callable[[str], None] = lambda _: None
    """Takes a line for the operator about what is no event of the run."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended and everything that is known of it."""

    run: str
    finish: Finish
    view: RunView
    own_s: float
    """Seconds the coordinator itself was busy: scheduling, recording, showing."""
    cpu_s: float
    """CPU seconds of this process during the run, drivers included."""
    children_cpu_s: float
    """CPU seconds of the tools that were run (Terraform)."""


@contextmanager
def open_environment(
    fleet: Fleet, state: StateFolder, environ: Mapping[str, str], *, lease_s: float = TTL_S
) -> Iterator[Environment]:
    """Open an environment for running; one process at a time. Silent for `lease_s`, another one may take it over.

    Raises:
        LeaseLost: another process runs it.
        LedgerError, EnvironmentProblem: see `Ledger`.
    """
    state.prepare()
    ledger = Ledger(state.ledger, fleet.name)
    try:
        state.settle()
        lease = open_lease(state.ledger, ttl_s=lease_s)
        ledger.guard(lease.name, lease.fence)
        try:
            yield Environment(fleet, state, environ, ledger, lease, all_outputs(ledger))
        finally:
            lease.release()
    finally:
        ledger.close()


def read_run(state: StateFolder, fleet_name: str, run: str | None = None) -> RunView:
    """Read a run (the last one by default) without holding anything.

    Raises:
        InputError: there is no such run.
    """
    with read_records(state, fleet_name, run) as (name, records):
        return project(name, records)


@contextmanager
def read_records(
    state: StateFolder, fleet_name: str, run: str | None = None
) -> Iterator[tuple[str, Iterator[Record]]]:
    """A run's name (the last one's by default) and its records, without holding anything.

    Raises:
        InputError: there is no such run.
    """
    if not state.ledger.exists():
        raise InputError(
            f"{state.root} has no ledger: nothing was deployed from here", way_out="`chainfleet deploy FLEET`"
        )
    ledger = Ledger(state.ledger, fleet_name)
    try:
        runs = ledger.runs()
        if not runs:
            raise InputError(f"{state.root} has no run yet", way_out="`chainfleet deploy FLEET`")
        name = run or runs[-1]
        if name not in runs:
            raise InputError(f"no run `{name}`", way_out=f"known: {', '.join(runs[-5:])}")
        yield name, ledger.records(name)
    finally:
        ledger.close()


def deployed_regions(state: StateFolder, fleet_name: str) -> frozenset[str]:
    """Regions whose cluster stands, by the ledger; empty where nothing was deployed from here."""
    if not state.ledger.exists():
        return frozenset()
    ledger = Ledger(state.ledger, fleet_name)
    try:
        prefix = "infrastructure/cluster/"
        return frozenset(task.removeprefix(prefix) for task in all_outputs(ledger) if task.startswith(prefix))
    finally:
        ledger.close()


def forgotten_regions(state: StateFolder, fleet: Fleet) -> tuple[str, ...]:
    """Regions that were deployed from here, still stand by the ledger, and are not in the fleet any more."""
    if not state.ledger.exists():
        return ()
    ledger = Ledger(state.ledger, fleet.name)
    try:
        return tuple(sorted(regions_of(all_outputs(ledger)) - {region.name for region in fleet.regions}))
    finally:
        ledger.close()


def new_run_name(kind: str) -> str:
    """A name that sorts by time, e.g. `20261123-230501-deploy`."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{kind}"


_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def run_name(kind: str, wanted: str | None) -> str:
    """The name that was asked for, or one made from the time; a run's name ends with its kind.

    Raises:
        InputError: it can't be a name.
    """
    if wanted is None:
        return new_run_name(kind)
    if not _RUN_NAME.fullmatch(wanted) or not wanted.endswith(f"-{kind}"):
        raise InputError(
            f"--run {wanted}: not a name for a run",
            way_out=f"letters, digits, dots and dashes, ending with -{kind}",
        )
    return wanted


async def start_run(
    environment: Environment,
    plan: Plan,
    run: str,
    make_observers: Callable[[Coordinator], Sequence[Observer]],
    *,
    undo: bool = False,
    common: float = 0.0,
) -> RunResult:
    """Run a new plan to its end.

    Args:
        environment: to run it in.
        plan: what to do.
        run: its name.
        make_observers: of the coordinator that runs it.
        undo: whether tasks are undone.
        common: spread of what the durations of one run have in common, see `forecast.Learned`.

    Raises:
        InputError: there is a run of that name.
    """
    if run in environment.ledger.runs():
        raise InputError(f"there is a run `{run}` already", way_out="give another name")
    said = None if undo else first_forecast(plan, common)
    notes = {} if said is None else {FORECAST: said}
    entries = [Entry(run, 0.0, "record", "", encode(plan))]
    entries += [Entry(run, 0.0, "note", name, json.dumps(note)) for name, note in notes.items()]
    environment.ledger.append(entries).result()
    return await _run(environment, plan, run, [RunStarted()], make_observers, undo=undo, notes=notes)


async def continue_run(
    environment: Environment,
    view: RunView,
    make_observers: Callable[[Coordinator], Sequence[Observer]],
    *,
    retry: Sequence[str] | None = None,
) -> RunResult:
    """Go on with a run that was cut off, or try again what failed in it.

    Args:
        environment: of the run.
        view: the run as the ledger has it; it goes on with the run.
        make_observers: see `start_run`.
        retry: words (phase, region, pattern of ids) naming failed tasks; empty means all that failed;
            None leaves failed ones alone and only goes on with what was not over.
    """
    assert view.plan is not None
    keep = {TaskState.SUCCEEDED, TaskState.FAILED}
    done = {task: state for task, state in view.states.items() if state in keep}
    # Attempts that were cut off count as made, so that numbers (and their logs) are never used twice.
    events: list[Event] = [RunStarted(done=done, attempts=dict(view.attempts))]
    if retry is not None:
        chosen = tasks_to_retry(view, retry)
        if chosen:
            events.append(RetryRequested(chosen))
    environment.outputs.update(view.outputs)
    undo = view.run.endswith("-destroy")
    return await _run(environment, view.plan, view.run, events, make_observers, earlier=view, undo=undo)


def tasks_to_retry(view: RunView, words: Sequence[str]) -> tuple[str, ...]:
    """Failed tasks that the words (phase, region, pattern of ids) name; all of them without words."""
    return tuple(
        task.id for task, _ in failed_tasks(view) if not words or any(matches(task, word) for word in words)
    )


async def _run(
    environment: Environment,
    plan: Plan,
    run: str,
    first: Sequence[Event],
    make_observers: Callable[[Coordinator], Sequence[Observer]],
    *,
    earlier: RunView | None = None,
    undo: bool = False,
    notes: Mapping[str, Any] = MappingProxyType({}),
) -> RunResult:
    drivers = Drivers()
    mailbox = Mailbox(environment.state.ledger)
    mailbox.take()  # What was asked of a process that is gone is no longer meant.
    coordinator = Coordinator(
        plan=plan,
        run=run,
        ledger=environment.ledger,
        lease=environment.lease,
        run_attempt=lambda task, start: hands(task, start),
        decide_gate=decide_gate,
        earlier=earlier,
        take_requests=mailbox.take,
    )
    surroundings = _surroundings(environment, run, coordinator)
    coordinator.view.notes.update(notes)
    coordinator.foresight.expect(coordinator.view.notes.get(FORECAST))
    own, children = _cpu_s(resource.RUSAGE_SELF), _cpu_s(resource.RUSAGE_CHILDREN)
    try:
        coordinator.observers = make_observers(coordinator)
        state, fleet, environ = environment.state, environment.fleet, environment.environ
        coordinator.sharing = open_sharing(state, fleet, environ, plan, run, environment.tell)
        first = started_with(coordinator.sharing, first)
        async with _hands(environment, plan, run, surroundings, drivers, undo=undo) as hands:
            with _interruptible(coordinator):
                finish = await coordinator.drive(first)
    finally:
        mailbox.close()
        if coordinator.sharing is not None:
            coordinator.sharing.close(coordinator.scheduler.wants())
        await drivers.close()
    return RunResult(
        run,
        finish,
        coordinator.view,
        own_s=coordinator.accounting.total_s,
        cpu_s=_cpu_s(resource.RUSAGE_SELF) - own,
        children_cpu_s=_cpu_s(resource.RUSAGE_CHILDREN) - children,
    )


def _surroundings(environment: Environment, run: str, coordinator: Coordinator) -> Surroundings:
    """What all attempts of a run share."""
    return Surroundings(
        fleet=environment.fleet,
        workspace=environment.state.workspace,
        environ=environment.environ,
        log_path=lambda task, attempt: environment.state.log(run, task, attempt),
        outputs=lambda task: _output(coordinator.view, environment.outputs, task),
        fence=environment.lease.check,
        observed=coordinator.send,
        progress=coordinator.progress.__setitem__,
    )


@asynccontextmanager
async def _hands(
    environment: Environment,
    plan: Plan,
    run: str,
    surroundings: Surroundings,
    drivers: Drivers,
    *,
    undo: bool,
) -> AsyncIterator[RunAttempt]:
    """What carries out attempts: this process, or workers on other machines."""
    if environment.distribution is None:
        carry_out = partial(run_attempt, surroundings=surroundings, driver_of=drivers.of, undo=undo)
        async with own_attempts(environment.lease, carry_out, environment.tell) as own:
            yield own.run_attempt
        return
    place = environment.state.ledger
    if not isinstance(place, Postgres):
        raise InputError("workers need the ledger in PostgreSQL", way_out="give --ledger postgresql://...")
    from .distributed.executor import distributed

    def tell(line: str, missing: list[str]) -> None:
        environment.tell(line)
        environment.ledger.append([Entry(run, 0.0, "note", MISSING_WORKERS, json.dumps(missing))])

    fence, distribution = environment.lease.fence, environment.distribution
    async with distributed(place, plan, run, fence, distribution, surroundings, tell, undo=undo) as executor:
        yield executor.run_attempt


def _cpu_s(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


@contextmanager
def _interruptible(coordinator: Coordinator) -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal stop cleanly; what was done stays recorded, and `resume` goes on from there."""
    loop = asyncio.get_running_loop()
    handled = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            # `nohup` wants it to go on without a terminal.
            continue
        # Where the loop runs outside the main thread there are no signals to take.
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(number, coordinator.send, CancelRequested())
            handled.append(number)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


def _output(view: RunView, earlier: Mapping[str, Mapping[str, Any]], task: str) -> Mapping[str, Any]:
    return view.outputs[task] if task in view.outputs else earlier[task]


def task_environ(overrides: Mapping[str, str]) -> dict[str, str]:
    """This process's environment with overrides laid over it."""
    return {**os.environ, **overrides}


def scaled(fleet: Fleet, time_scale: float) -> Fleet:
    """The same fleet on a cloud that is that many times faster than the real ones."""
    return fleet.model_copy(
        update={"deployment": fleet.deployment.model_copy(update={"time_scale": time_scale})}
    )


def failed_tasks(view: RunView) -> list[tuple[Task, str]]:
    """Tasks that failed, with their cause."""
    assert view.plan is not None
    return [
        (t, view.reasons.get(t.id, "")) for t in view.plan.tasks if view.states.get(t.id) is TaskState.FAILED
    ]

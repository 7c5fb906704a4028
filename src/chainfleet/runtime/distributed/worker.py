"""A worker: takes attempts of one pool, carries them out as the coordinator would, and says how they ended.

It stops what it does when it is told that an attempt was fenced, and by itself when it could not tell the database for
most of a lease that it lives: by then others may have been given its work.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chainfleet.ledger.codec import decode, encode
from chainfleet.ledger.database import Postgres
from chainfleet.ledger.lease import NAME as COORDINATOR
from chainfleet.ledger.outside import Outside
from chainfleet.ledger.postgres import PostgresConnection
from chainfleet.model.errors import ChainfleetError, ErrorClass, InputError, LeaseLost
from chainfleet.model.event import AttemptFailed, AttemptSucceeded, StartAttempt
from chainfleet.model.fleet_file import load_fleet
from chainfleet.model.task import Plan, Task

from ..attempts import AttemptEnd, Surroundings, run_attempt
from ..distribution import LEASE_S
from ..operations import scaled
from ..registry import DriverOf, Drivers
from ..state import StateFolder
from ..targets import TargetOptions, machine, open_target
from .executor import handed_out
from .tables import TASK, WAKE, engine, open_tables, version

BEAT_S = 0.25
"""How often to say that this worker lives, and to look which attempts were taken from it."""
SILENT = 0.6
"""Share of a lease without a beat after which everything is stopped."""
LOOK_S = 0.5
"""How often procrastinate looks for jobs without being told: after an outage its listening may stay dead."""
FILE = "fleet.yaml"


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """What a worker is given.

    Attributes:
        url: address of the database.
        pool: whose attempts it takes.
        home: folder whose folders are the environments' state folders.
        slots: how many attempts at once.
        env_file: see `TargetOptions`.
        lease_s: how long it may be silent.
        grace_s: how long what runs may take after SIGTERM; None waits for it.
    """

    url: str
    pool: str
    home: Path
    slots: int
    env_file: Path | None = None
    lease_s: float = LEASE_S
    grace_s: float | None = None


@dataclass(slots=True)
class _Site:
    """An environment as this worker sees it: its folder, its ledger, the plans and outputs read so far."""

    place: Postgres
    state: StateFolder
    ledger: Outside
    environ: Mapping[str, str]
    plans: dict[str, dict[str, Task]] = field(default_factory=dict)
    outputs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    seq: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def task(self, run: str, task: str) -> Task:
        """A task of a run, by the plan in the ledger."""
        if run not in self.plans:
            plan = decode(self.ledger.records(run=run, limit=1)[0].body)
            assert isinstance(plan, Plan)
            self.plans[run] = {known.id: known for known in plan.tasks}
        return self.plans[run][task]

    def refresh(self, run: str) -> None:
        """Take up what tasks have left behind since; what a later destroy removed is forgotten."""
        with self.lock:
            gone = {name for name in self.ledger.runs() if name.endswith("-destroy") and name != run}
            for record in self.ledger.outputs(after=self.seq):
                if record.run in gone:
                    self.outputs.clear()
                else:
                    self.outputs[record.subject] = json.loads(record.body)
                self.seq = record.seq


class Worker:
    """One worker; `run` serves until SIGTERM."""

    def __init__(
        self, options: WorkerOptions, *, say: Callable[[str], None], driver_of: DriverOf | None = None
    ) -> None:
        self._options = options
        self._say = say
        self._drivers = Drivers()
        self._driver_of = driver_of or self._drivers.of
        self._tables: PostgresConnection = open_tables(options.url)
        self._fences: PostgresConnection = open_tables(options.url, patience_s=options.lease_s * SILENT)
        self._sites: dict[str, _Site] = {}
        self._stack = ExitStack()
        self._running: dict[tuple[str, str], asyncio.Task[AttemptEnd]] = {}
        self._opening = asyncio.Lock()
        # One thread, so that what is said arrives in its order and before the end.
        self._mouth = ThreadPoolExecutor(1, thread_name_prefix="said")
        self._id = 0
        self._beaten = 0.0

    async def run(self) -> None:
        """Join and serve.

        Raises:
            InputError: a coordinator of another version uses this database.
        """
        await asyncio.to_thread(self._join)
        app = engine(self._options.url, lines=4)
        app.task(name=TASK)(self._attempt)
        beating = asyncio.create_task(self._beat(), name="beat")
        try:
            async with app.open_async():
                await app.run_worker_async(
                    queues=[self._options.pool],
                    concurrency=self._options.slots,
                    fetch_job_polling_interval=LOOK_S,
                    abort_job_polling_interval=LOOK_S,
                    shutdown_graceful_timeout=self._options.grace_s,
                    update_heartbeat_interval=self._options.lease_s / 4,
                    # Ours is the lease that counts; its own would prune a worker that was only silent.
                    stalled_worker_timeout=86_400.0,
                    delete_jobs="always",
                )
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            await self._drivers.close()
            await asyncio.to_thread(self._leave)

    def close(self) -> None:
        """Give everything back without having served."""
        self._leave()

    def _join(self) -> None:
        there = machine()
        tools = {tool: shutil.which(tool) for tool in ("tofu", "terraform", "kubectl")}
        used = self._tables.rows("SELECT value FROM meta WHERE key = 'version'")
        if used and used[0][0] != version():
            message = f"this worker is chainfleet {version()}, its coordinators are {used[0][0]}"
            raise InputError(message, way_out="install the same version")
        sql = """INSERT INTO worker (pool, host, pid, version, cores, memory_mib, slots, tools)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id"""
        names = ",".join(sorted(name for name, path in tools.items() if path))
        given = self._options
        row = (given.pool, socket.gethostname(), os.getpid(), version(), there.cores, there.memory_mib)
        self._id = self._tables.rows(sql, (*row, given.slots, names))[0][0]
        self._beaten = time.monotonic()
        self._say(
            f"worker {self._id} serves pool {given.pool}: {given.slots} attempts at once, "
            f"{there.cores:g} cores, {there.memory_mib} MiB, tools: {names or 'none'}"
        )

    def _leave(self) -> None:
        with suppress(ChainfleetError):
            self._tables.change("DELETE FROM worker WHERE id = ?", (self._id,))
        for site in self._sites.values():
            site.ledger.close()
        self._stack.close()
        self._mouth.shutdown()
        self._tables.close()
        self._fences.close()

    async def _beat(self) -> None:
        """Say that this worker lives; stop what was taken from it, or everything where nobody hears it."""
        given, pulse = self._options, None
        while True:
            if pulse is None or pulse.done():
                if pulse is not None and pulse.exception() is None:
                    self._beaten = time.monotonic()
                    for key in pulse.result():
                        self._stop(key)
                pulse = asyncio.create_task(asyncio.to_thread(self._pulse), name="pulse")
            if time.monotonic() - self._beaten > given.lease_s * SILENT and self._running:
                self._say("the database has not been heard of: everything is stopped")
                for key in list(self._running):
                    self._stop(key)
            await asyncio.wait({pulse}, timeout=BEAT_S)
            await asyncio.sleep(BEAT_S)

    def _pulse(self) -> list[tuple[str, str]]:
        self._tables.change("UPDATE worker SET seen = clock_timestamp() WHERE id = ?", (self._id,))
        sql = "SELECT environment, name FROM attempt WHERE worker = ? AND state = 'lost' AND NOT over"
        return [(row[0], row[1]) for row in self._tables.rows(sql, (self._id,))]

    def _stop(self, key: tuple[str, str]) -> None:
        running = self._running.get(key)
        if running is not None:
            running.cancel()

    async def _attempt(self, environment: str, attempt: str) -> None:
        """What procrastinate calls for each job."""
        sql = """UPDATE attempt SET state = 'running', worker = ?
            WHERE environment = ? AND name = ? AND state = 'queued' RETURNING run, task, fence, body"""
        rows = await asyncio.to_thread(self._tables.rows, sql, (self._id, environment, attempt))
        if not rows:
            return  # It was taken back, or a coordinator took over.
        run, task, fence, body = rows[0]
        order = json.loads(body)
        start = decode(order["start"])
        assert isinstance(start, StartAttempt)
        key = (environment, attempt)
        work = self._carry_out(environment, attempt, run, task, fence, order, start)
        self._running[key] = asyncio.create_task(work, name=attempt)
        try:
            await asyncio.wait({self._running[key]})
            event, outputs = self._end_of(self._running[key], start)
        finally:
            self._running[key].cancel()
            del self._running[key]
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._mouth, self._end, environment, attempt, event, outputs)

    def _end_of(self, work: asyncio.Task[AttemptEnd], start: StartAttempt) -> AttemptEnd:
        if work.cancelled():
            return _failed(start, ErrorClass.CANCELLED, "cancelled"), {}
        error = work.exception()
        if error is None:
            return work.result()
        kind = ErrorClass.CONFIGURATION if isinstance(error, InputError) else ErrorClass.TRANSIENT
        return _failed(start, kind, str(error) or type(error).__name__), {}

    def _end(
        self,
        environment: str,
        attempt: str,
        event: AttemptSucceeded | AttemptFailed,
        outputs: Mapping[str, Any],
    ) -> None:
        """Say how it ended; what was fenced meanwhile only says that it is over."""
        key = (environment, attempt, self._id)
        sql = """UPDATE attempt SET state = 'ended', over = true, event = ?, outputs = ?
            WHERE environment = ? AND name = ? AND worker = ? AND state = 'running'"""
        if not self._tables.change(sql, (encode(event), json.dumps(outputs), *key)):
            sql = "UPDATE attempt SET over = true WHERE environment = ? AND name = ? AND worker = ?"
            self._tables.change(sql, key)
        self._tables.rows("SELECT pg_notify(?, ?)", (WAKE, environment))

    async def _carry_out(
        self,
        environment: str,
        attempt: str,
        run: str,
        task: str,
        fence: int,
        order: Mapping[str, Any],
        start: StartAttempt,
    ) -> AttemptEnd:
        if order["version"] != version():
            raise InputError(
                f"worker {self._id} is chainfleet {version()}, the coordinator is {order['version']}",
                way_out="install the same version on all",
            )
        site = await self._site(environment)
        await asyncio.to_thread(site.refresh, run)
        known = await asyncio.to_thread(site.task, run, task)
        loaded = load_fleet(FILE, lambda _: order["document"], site.environ)
        loop = asyncio.get_running_loop()

        def say(kind: str, body: str) -> None:
            sql = "INSERT INTO said (environment, run, task, number, kind, body) VALUES (?, ?, ?, ?, ?, ?)"
            row = (environment, run, task, start.attempt, kind, body)
            loop.run_in_executor(self._mouth, self._tables.change, sql, row)

        surroundings = Surroundings(
            fleet=scaled(loaded.fleet, order["time_scale"]),
            workspace=site.state.workspace,
            environ=site.environ,
            log_path=lambda name, number: site.state.log(run, name, number),
            outputs=site.outputs.__getitem__,
            fence=lambda: self._fence(site.place, attempt, fence),
            observed=lambda event: say("observed", encode(event)),
            progress=lambda _, text: say("progress", text),
        )
        log = site.state.log(run, task, start.attempt)
        shared = log.exists() and handed_out(attempt) in log.read_text(encoding="utf-8", errors="replace")
        tail = None if shared else asyncio.create_task(_tail(log, lambda text: say("log", text)))
        try:
            return await run_attempt(known, start, surroundings, self._driver_of, undo=order["undo"])
        finally:
            if tail is not None:
                await asyncio.sleep(0)
                tail.cancel()
                await asyncio.gather(tail, return_exceptions=True)

    async def _site(self, environment: str) -> _Site:
        async with self._opening:
            if environment not in self._sites:
                self._sites[environment] = await asyncio.to_thread(self._open, environment)
            return self._sites[environment]

    def _open(self, environment: str) -> _Site:
        state = StateFolder(self._options.home / environment, self._options.url).prepare()
        target = self._stack.enter_context(
            open_target(TargetOptions(state.root, env_file=self._options.env_file), state, say=self._say)
        )
        place = Postgres(self._options.url, environment)
        return _Site(place, state, Outside(place), {**os.environ, **target.environ})

    def _fence(self, place: Postgres, attempt: str, fence: int) -> None:
        """Raise LeaseLost unless this attempt is still this worker's, and its coordinator still the coordinator."""
        sql = f"""SELECT 1 FROM attempt WHERE environment = ? AND name = ? AND worker = ? AND state = 'running'
            AND (SELECT fence FROM "{place.schema}".lease WHERE name = ?) = ?"""  # noqa: S608
        values = (place.environment, attempt, self._id, COORDINATOR, fence)
        if not self._fences.rows(sql, values):
            raise LeaseLost("this attempt was taken from this worker", way_out="nothing: another one goes on")


async def _tail(path: Path, say: Callable[[str], None]) -> None:
    """Say what is appended to a file, several times a second."""
    place = 0
    while True:
        last = False
        try:
            await asyncio.sleep(0.3)
        except asyncio.CancelledError:
            last = True
        with suppress(FileNotFoundError), path.open(encoding="utf-8", errors="replace") as stream:
            stream.seek(place)
            text = stream.read(1 << 20)
            place = stream.tell()
            if text:
                say(text)
        if last:
            return


def _failed(start: StartAttempt, error_class: ErrorClass, message: str) -> AttemptFailed:
    return AttemptFailed(start.task, start.attempt, error_class, message, fingerprint=error_class.value)

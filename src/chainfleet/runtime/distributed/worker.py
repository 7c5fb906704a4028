"""A worker: takes attempts of one pool, carries them out as the coordinator would, and says how they ended."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chainfleet.ledger.codec import decode, encode
from chainfleet.ledger.postgres import PostgresConnection
from chainfleet.model.errors import (
    ChainfleetError,
    EnvironmentProblem,
    ErrorClass,
    InputError,
    LeaseUnconfirmed,
)
from chainfleet.model.event import AttemptFailed, AttemptSucceeded, StartAttempt
from chainfleet.model.fleet_file import load_fleet

from ..attempts import AttemptEnd, Surroundings, run_attempt
from ..distribution import LEASE_S
from ..operations import scaled
from ..own_attempts import SILENT
from ..registry import DriverOf, Drivers
from ..targets import machine
from .backlog import Backlog, Said
from .labels import CLOUDS, CLUSTER_TOOLS, Labels, labels_of, lacking
from .pulse import Key, Pulse
from .site import Site, Sites
from .tables import TASK, WAKE, engine, open_tables, version
from .tailing import tail, writes_to_coordinators_file

LOOK_S = 0.5
"""How often procrastinate looks for jobs without being told: after an outage its listening may stay dead."""
REPORT_AGAIN_S = 1.0
"""Seconds before an end is reported again to a database that was away or full."""
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
        lease_s: how long it may be silent until others are given what it does.
        grace_s: how long what runs may take after SIGTERM; no end if None.
        labels: what it has, see `labels.labels_of`.
    """

    url: str
    pool: str
    home: Path
    slots: int
    env_file: Path | None = None
    lease_s: float = LEASE_S
    grace_s: float | None = None
    labels: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class _Order:
    """An attempt that this worker has claimed."""

    environment: str
    attempt: str
    run: str
    task: str
    fence: int
    body: Mapping[str, Any]
    start: StartAttempt

    @property
    def key(self) -> Key:
        """What the attempt is known by."""
        return self.environment, self.attempt


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
        self._pulse = Pulse(options.url, options.lease_s)
        self._sites = Sites(options.url, options.home, options.env_file, say)
        self._running: dict[Key, asyncio.Task[AttemptEnd]] = {}
        # One thread, so that what is said arrives in its order and before the end.
        self._mouth = ThreadPoolExecutor(1, thread_name_prefix="said")
        self._backlog = Backlog()
        self._sending = False
        self._claiming = ThreadPoolExecutor(1, thread_name_prefix="claim")
        self._id = 0
        self._unheard = False

    # --- joining and leaving ------------------------------------------------------------------

    async def run(self) -> None:
        """Join and serve.

        Raises:
            InputError: a coordinator of another version uses this database, or a label isn't known.
            EnvironmentProblem: the database has been away for too long.
        """
        labels = await asyncio.to_thread(self._join)
        beating = asyncio.create_task(self._pulse.beat(self._stop, self._stop_all), name="beat")
        away = False
        try:
            await self._serve(labels)
        except _unreachable() as error:
            away = True
            message = f"the database of the workers has been away for too long: {error.__cause__ or error}"
            way_out = "start the worker again when it answers; a supervisor does that by itself"
            raise EnvironmentProblem(message, way_out=way_out) from None
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)
            await self._drivers.close()
            await asyncio.to_thread(self._leave, told=not away)

    async def _serve(self, labels: Labels) -> None:
        app = engine(self._options.url, lines=4)
        app.task(name=TASK)(self._attempt)
        async with app.open_async():
            await app.run_worker_async(
                queues=labels.queues(self._options.pool),
                concurrency=self._options.slots,
                fetch_job_polling_interval=LOOK_S,
                abort_job_polling_interval=LOOK_S,
                shutdown_graceful_timeout=self._options.grace_s,
                update_heartbeat_interval=self._options.lease_s / 4,
                # Ours is the lease that counts; its own would prune a worker that was only silent.
                stalled_worker_timeout=86_400.0,
                delete_jobs="always",
            )

    def close(self) -> None:
        """Give everything back without having served."""
        self._leave()

    def _join(self) -> Labels:
        there, given = machine(), self._options
        terraform, why = _terraform()
        labels = labels_of(given.labels, os.environ, terraform=terraform, memory_mib=there.memory_mib)
        used = self._tables.rows("SELECT value FROM meta WHERE key = 'version'")
        if used and used[0][0] != version():
            message = f"this worker is chainfleet {version()}, its coordinators are {used[0][0]}"
            raise InputError(message, way_out="install the same version")
        sql = """INSERT INTO worker (pool, host, pid, version, cores, memory_mib, slots, tools, labels, lease_s)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id"""
        tools = [
            name for name in ("tofu", "terraform", "kubectl", *CLUSTER_TOOLS.values()) if shutil.which(name)
        ]
        who = (given.pool, socket.gethostname(), os.getpid(), version())
        has = (there.cores, there.memory_mib, given.slots, ",".join(tools), labels.encode(), given.lease_s)
        self._id = self._tables.rows(sql, (*who, *has))[0][0]
        self._pulse.begin(self._id)
        self._say(
            f"worker {self._id} serves pool {given.pool}: {given.slots} attempts at once, "
            f"{there.cores:g} cores, {there.memory_mib} MiB, clouds: {', '.join(labels.clouds)}, "
            f"reach: {', '.join(labels.reaches)}, terraform: {terraform or f'none, takes no infrastructure: {why}'}"
        )
        # A worker that takes all clouds because it sees no credentials is told nothing: it may meet one cloud only.
        for line in lacking(labels.clouds, shutil.which) if labels.clouds != CLOUDS else ():
            self._say(line)
        return labels

    def _leave(self, *, told: bool = True) -> None:
        """Give everything back; where the database can't be told, the end of the lease tells the others."""
        with suppress(ChainfleetError):
            if told:
                self._tables.change("DELETE FROM worker WHERE id = ?", (self._id,))
        self._sites.close()
        self._mouth.shutdown()
        self._claiming.shutdown()
        self._tables.close()
        self._pulse.close()

    def _stop(self, key: Key) -> None:
        running = self._running.get(key)
        if running is not None:
            running.cancel()
        else:  # Nothing of it happens here any more, or its fence will refuse it.
            sql = "UPDATE attempt SET over = true WHERE environment = ? AND name = ? AND worker = ? AND state = 'lost'"
            self._mouth.submit(self._tables.change, sql, (*key, self._id))

    def _stop_all(self) -> None:
        """Nobody hears this worker: by the end of its lease others are given what it does."""
        if not self._unheard:
            self._unheard = True
            self._say(SILENT)
        for key in list(self._running):
            self._stop(key)

    # --- one attempt --------------------------------------------------------------------------

    async def _attempt(self, environment: str, attempt: str) -> None:
        """What procrastinate calls for each job."""
        loop = asyncio.get_running_loop()
        order = await loop.run_in_executor(self._claiming, self._claim, environment, attempt)
        self._unheard = False
        if order is None:
            return  # It was taken back, or a coordinator took over.
        work = asyncio.create_task(self._carry_out(order), name=attempt)
        self._running[order.key] = work
        try:
            await asyncio.wait({work})
            event, outputs = self._end_of(work, order.start)
        finally:
            work.cancel()
            del self._running[order.key]
        await self._report(order.key, event, outputs)

    async def _report(
        self, key: Key, event: AttemptSucceeded | AttemptFailed, outputs: Mapping[str, Any]
    ) -> None:
        """Say how it ended, until the database takes it: as long as this worker lives nobody else would."""
        loop, refused = asyncio.get_running_loop(), False
        while True:
            try:
                await loop.run_in_executor(self._mouth, self._end, key, event, outputs)
                return
            except EnvironmentProblem as error:
                if not refused:
                    self._say(f"{key[1]} has ended, which can't be told yet: {error.message}")
                refused = True
                await asyncio.sleep(REPORT_AGAIN_S)

    def _claim(self, environment: str, attempt: str) -> _Order | None:
        sql = """UPDATE attempt SET state = 'running', worker = ?
            WHERE environment = ? AND name = ? AND state = 'queued' RETURNING run, task, fence, body"""
        rows = self._tables.rows(sql, (self._id, environment, attempt))
        if not rows:
            return None
        run, task, fence, text = rows[0]
        body = json.loads(text)
        return _Order(environment, attempt, run, task, fence, body, decode(body["start"]))

    def _end_of(self, work: asyncio.Task[AttemptEnd], start: StartAttempt) -> AttemptEnd:
        error = None if work.cancelled() else work.exception()
        if error is not None:
            kind = ErrorClass.CONFIGURATION if isinstance(error, InputError) else ErrorClass.TRANSIENT
            fingerprint = "lease-unconfirmed" if isinstance(error, LeaseUnconfirmed) else ""
            return _failed(start, kind, str(error) or type(error).__name__, fingerprint), {}
        if not work.cancelled():
            event, outputs = work.result()
            if not (isinstance(event, AttemptFailed) and event.error_class is ErrorClass.CANCELLED):
                return event, outputs
        # What the coordinator cancelled is lost already; this one was ended by the worker, and has to be repeated.
        return _failed(start, ErrorClass.TRANSIENT, f"worker {self._id} had to stop it", "worker-lost"), {}

    def _end(self, key: Key, event: AttemptSucceeded | AttemptFailed, outputs: Mapping[str, Any]) -> None:
        """Say how it ended, after all it said before; what was fenced meanwhile only says that it is over."""
        self._send()
        mine = (*key, self._id)
        sql = """UPDATE attempt SET state = 'ended', over = true, event = ?, outputs = ?
            WHERE environment = ? AND name = ? AND worker = ? AND state = 'running'"""
        if not self._tables.change(sql, (encode(event), json.dumps(outputs), *mine)):
            sql = "UPDATE attempt SET over = true WHERE environment = ? AND name = ? AND worker = ?"
            self._tables.change(sql, mine)
        self._tables.rows("SELECT pg_notify(?, ?)", (WAKE, key[0]))

    async def _carry_out(self, order: _Order) -> AttemptEnd:
        if order.body["version"] != version():
            raise InputError(
                f"worker {self._id} is chainfleet {version()}, the coordinator is {order.body['version']}",
                way_out="install the same version on all",
            )
        site = await asyncio.to_thread(self._sites.of, order.environment)
        await asyncio.to_thread(site.refresh)
        task = await asyncio.to_thread(site.task, order.run, order.task)
        surroundings = self._surroundings(order, site)
        log = site.state.log(order.run, order.task, order.start.attempt)
        tailing = None
        if not writes_to_coordinators_file(log, order.attempt):
            tailing = asyncio.create_task(tail(log, lambda text: self._tell(order, "log", text)))
        try:
            return await run_attempt(
                task, order.start, surroundings, self._driver_of, undo=order.body["undo"]
            )
        finally:
            if tailing is not None:
                await asyncio.sleep(0)
                tailing.cancel()
                await asyncio.gather(tailing, return_exceptions=True)

    def _surroundings(self, order: _Order, site: Site) -> Surroundings:
        loaded = load_fleet(FILE, lambda _: str(order.body["document"]), site.environ)
        return Surroundings(
            fleet=scaled(loaded.fleet, order.body["time_scale"]),
            workspace=site.state.workspace,
            environ=site.environ,
            log_path=lambda name, number: site.state.log(order.run, name, number),
            outputs=site.outputs.__getitem__,
            fence=lambda: self._pulse.check(site.place, order.attempt, order.fence),
            observed=lambda event: self._tell(order, "observed", encode(event)),
            progress=lambda _, text: self._tell(order, "progress", text),
        )

    def _tell(self, order: _Order, kind: str, body: str) -> None:
        """Send something to the coordinator, after whatever was said before; used from any thread."""
        self._backlog.add(Said(order.environment, order.run, order.task, order.start.attempt, kind, body))
        # One that waits for its turn sends this as well: nothing piles up behind a database that is away.
        if not self._sending:
            self._sending = True
            self._mouth.submit(self._try_to_send)

    def _try_to_send(self) -> None:
        self._sending = False
        # What can't be sent now goes with what is said next, or with the end.
        with suppress(EnvironmentProblem):
            self._send()

    def _send(self) -> None:
        """Send what was said, oldest first; what can't be sent stays. In the thread of `_mouth`."""
        sql = "INSERT INTO said (environment, run, task, number, kind, body) VALUES (?, ?, ?, ?, ?, ?)"
        while (said := self._backlog.take()) is not None:
            try:
                self._tables.change(sql, (*said.attempt, said.kind, said.body))
            except EnvironmentProblem:
                self._backlog.put_back(said)
                raise


def _unreachable() -> tuple[type[Exception], ...]:
    """What the library of the jobs raises when it gives its database up, or never got hold of it."""
    from procrastinate.exceptions import ConnectorException
    from psycopg import OperationalError

    return ConnectorException, OperationalError


def _terraform() -> tuple[str, str]:
    """Version of the Terraform here that will do for the modules, or why there is none."""
    from chainfleet.drivers.terraform import check_tool

    try:
        return check_tool(os.environ).version, ""
    except EnvironmentProblem as error:
        return "", error.message


def _failed(
    start: StartAttempt, error_class: ErrorClass, message: str, fingerprint: str = ""
) -> AttemptFailed:
    return AttemptFailed(
        start.task, start.attempt, error_class, message, fingerprint=fingerprint or error_class.value
    )

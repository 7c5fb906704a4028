"""Asks living networks how they stand, now and then and when somebody looks; keeps samples in their ledgers.

In a thread of its own with a loop of its own: the drivers' libraries take seconds to import, and 48 validators are 48 questions.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chainfleet.model.errors import ChainfleetError

from .environments.desk import Desk
from .environments.fleets import load_text
from .environments.registry import Registry

if TYPE_CHECKING:
    from chainfleet.emulator.client import Running
    from chainfleet.model.fleet import Fleet

log = logging.getLogger(__name__)

WATCHED_S = 10.0
"""Seconds between samples while somebody looks at the environment."""
UNWATCHED_S = 60.0
_LOOKED_S = 120.0
"""Somebody who asked that long ago still looks."""
KEPT_S = 30 * 86_400.0
PATIENCE_S = 30.0
"""Seconds that one sample may take."""


@dataclass(slots=True)
class _Watch:
    """What is known of one environment between two samples."""

    looked: float = 0.0
    sampled: float = 0.0
    last: dict[str, Any] | None = None
    head: int | None = None
    rose: float = 0.0
    """When the head was seen to rise, in wall-clock seconds."""
    problem: str = ""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Observatory:
    """Samples the networks of all environments."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._watches: dict[str, _Watch] = {}
        self._clouds: dict[str, Running] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._ready = threading.Event()
        self._stop: asyncio.Event | None = None

    def start(self) -> None:
        """Begin to watch, where that hasn't been done."""
        if self._thread is not None:
            return
        self._thread = threading.Thread(target=self._run, name="observatory", daemon=True)
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """Stop watching; emulated clouds that nobody else uses end."""
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join(10)
        for cloud in self._clouds.values():
            cloud.stop()
        self._clouds.clear()

    def last(self, name: str) -> tuple[dict[str, Any] | None, str]:
        """The last sample of an environment, and why there is no newer one; notes that somebody looks."""
        watch = self._watches.setdefault(name, _Watch())
        watch.looked = time.monotonic()
        return watch.last, watch.problem

    def peek(self, name: str) -> dict[str, Any] | None:
        """The last sample; nobody counts as looking."""
        watch = self._watches.get(name)
        return None if watch is None else watch.last

    def sample_now(self, desk: Desk) -> Future[None]:
        """Sample an environment at once, its emulated cloud started if need be."""
        self.start()
        self._watches.setdefault(desk.name, _Watch()).looked = time.monotonic()
        return self._submit(self._sample(desk, start_cloud=True))

    def _submit(self, work: Coroutine[Any, Any, None]) -> Future[None]:
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _run(self) -> None:
        asyncio.run(self._watch_all())

    async def _watch_all(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._ready.set()
        while not self._stop.is_set():
            desks = await asyncio.to_thread(self._desks)
            due = [desk for desk in desks if self._is_due(desk.name)]
            await asyncio.gather(*(self._sample_unless_archived(desk) for desk in due))
            try:
                async with asyncio.timeout(1.0):
                    await self._stop.wait()
            except TimeoutError:
                continue
        if any(watch.last for watch in self._watches.values()):
            from chainfleet.drivers.kubernetes import clusters

            await clusters().close()

    def _desks(self) -> list[Desk]:
        try:
            return self._registry.desks()
        except Exception:
            # A home folder that is away for a moment must not end the watch.
            log.exception("looking for environments")
            return []

    def _is_due(self, name: str) -> bool:
        watch = self._watches.setdefault(name, _Watch())
        now = time.monotonic()
        every = WATCHED_S if now - watch.looked < _LOOKED_S and watch.looked else UNWATCHED_S
        return now - watch.sampled >= every

    async def _sample_unless_archived(self, desk: Desk) -> None:
        with _noted(self._watches[desk.name], desk.name):
            environment = await asyncio.to_thread(desk.environment)
            if not environment.archived:
                await self._sample(desk, start_cloud=False)

    async def _sample(self, desk: Desk, *, start_cloud: bool) -> None:
        watch = self._watches.setdefault(desk.name, _Watch())
        async with watch.lock:
            watch.sampled = time.monotonic()
            with _noted(watch, desk.name):
                async with asyncio.timeout(PATIENCE_S):
                    found = await self._look(desk, watch, start_cloud=start_cloud)
                if found is not None:
                    watch.last, watch.problem = found, ""
                    body = json.dumps(found, separators=(",", ":"))
                    await asyncio.to_thread(desk.ledger.add_sample, found["wall"], body, keep_s=KEPT_S)

    async def _look(self, desk: Desk, watch: _Watch, *, start_cloud: bool) -> dict[str, Any] | None:
        from chainfleet.runtime.operations import scaled, task_environ

        outputs = await asyncio.to_thread(desk.outputs)
        made = await asyncio.to_thread(desk.revision)
        if made is None or "besu/genesis/network" not in outputs:
            watch.problem = "nothing is deployed yet"
            return None
        cloud = await asyncio.to_thread(self._cloud, desk, start=start_cloud)
        settings = await asyncio.to_thread(desk.settings)
        if cloud is None and settings.emulated:
            watch.problem = "the emulated cloud does not run"
            return None
        environ = task_environ(cloud.environment if cloud else {})
        scale = await asyncio.to_thread(desk.time_scale)
        fleet = scaled(load_text(made.document, environ).fleet, scale)
        return await self._ask(fleet, desk, environ, outputs, watch, scale)

    async def _ask(
        self,
        fleet: Fleet,
        desk: Desk,
        environ: Mapping[str, str],
        outputs: Mapping[str, Mapping[str, Any]],
        watch: _Watch,
        scale: float,
    ) -> dict[str, Any]:
        observe_chain, read_feeds = await asyncio.to_thread(_drivers)
        attempt = _attempt(fleet, desk, environ, outputs)
        wall = time.time()
        # Where the cloud's time is not ours, the age of a block is told by when it was seen to come.
        status = await observe_chain(fleet, attempt, wall if scale == 1 else 0.0)
        feeds = await read_feeds(attempt)
        found: dict[str, Any] = status.to_json()
        if scale != 1:
            _age_by_sight(found, watch, wall, scale)
        found.update(wall=wall, scale=scale, feeds=[_feed(feed) for feed in feeds])
        found["heartbeat_s"] = fleet.contracts.oracle.heartbeat_seconds
        found["period_s"] = fleet.network.block_period_seconds
        return found

    def _cloud(self, desk: Desk, *, start: bool) -> Running | None:
        if not desk.settings().emulated:
            return None
        from chainfleet.emulator import client

        running = self._clouds.get(desk.name)
        if running is not None and _answers(running):
            return running
        folder, scale = desk.state.emulator, desk.time_scale()
        running = client.attach(folder, scale)
        if running is None and start:
            running = client.start(folder, scale)
        if running is None:
            self._clouds.pop(desk.name, None)
            return None
        self._clouds[desk.name] = running
        return running


@contextmanager
def _noted(watch: _Watch, name: str) -> Iterator[None]:
    """What goes wrong with one environment is kept as its problem; the watch over the others goes on."""
    try:
        yield
    except (ChainfleetError, OSError, TimeoutError) as error:
        watch.problem = str(error).split("\n", 1)[0] or "no answer in time"
    except Exception:
        log.exception("sampling %s", name)
        watch.problem = "the network could not be looked at: see the portal's log"


def _answers(running: Running) -> bool:
    try:
        return bool(running.control("/healthz")["pid"] == running.pid)
    except (OSError, ValueError):
        return False


def _drivers() -> tuple[Any, Any]:
    from chainfleet.drivers.besu.observation import observe_chain
    from chainfleet.drivers.monitoring.exporter.oracles import Oracles

    async def read_feeds(attempt: Any) -> Any:
        return await Oracles(attempt).read()

    return observe_chain, read_feeds


def _attempt(
    fleet: Fleet, desk: Desk, environ: Mapping[str, str], outputs: Mapping[str, Mapping[str, Any]]
) -> Any:
    from chainfleet.runtime.looking import looking_attempt

    task = "monitoring/portal/network"
    return looking_attempt(
        fleet, desk.state.workspace, environ, outputs, task, lambda line: log.info("%s", line)
    )


def _feed(feed: Any) -> dict[str, Any]:
    return {"chain": feed.chain, "answer": feed.answer, "round": feed.round, "updated_at": feed.updated_at}


def _age_by_sight(found: dict[str, Any], watch: _Watch, wall: float, scale: float) -> None:
    head = found["head"]
    if head is not None and (watch.head is None or head > watch.head):
        watch.head, watch.rose = head, wall
    age = None if head is None else round((wall - watch.rose) * scale, 1)
    found["head_age_s"] = age
    for row in (*found["regions"], *found["nodes"]):
        if row["head"] is not None:
            row["head_age_s"] = age
    # The driver judged by the clock of this machine.
    found["problems"] = [text for text in found["problems"] if not text.startswith("the newest block is")]

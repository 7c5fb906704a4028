"""The life of one container: start, probes, crash, back-off, restart; told as its `containerStatus`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from ... import background
from ...seams import FaultKind
from ..world import World
from .probes import passes
from .program import Container, Errand, Log, PodIdentity, Program
from .timing import CONTAINER_START, backoff
from .volumes import MountedFiles, environment, missing_environment

Json = dict[str, Any]

_log = logging.getLogger(__name__)

KILLED = 137
REAL_PROBE_S = 1.0
"""Real seconds between probes of a container that isn't ready and has announced no change."""
DOWN_CHECK_S = 5.0
"""Emulated seconds after which a container that a fault holds down is tried again."""


class ContainerRun:
    """One container of one pod.

    Args:
        world: the cluster.
        pod: its pod.
        spec: its entry in the pod's spec.
        identity: whose it is.
        publish: call it when the status has changed.
        before: its status from an earlier life of the emulator.
        init: whether it's an init container.
    """

    def __init__(
        self,
        world: World,
        pod: Json,
        spec: Json,
        identity: PodIdentity,
        publish: Callable[[], None],
        *,
        before: Json | None = None,
        init: bool = False,
    ) -> None:
        self.spec = spec
        self.log = Log()
        self.previous_log = Log()
        self.program: Program | None = None
        self.ready = False
        self.started = False
        self.restarts = int((before or {}).get("restartCount", 0))
        self._world = world
        self._pod = pod
        self._identity = identity
        self._publish = publish
        self._init = init
        self._state: Json = {"waiting": {"reason": "PodInitializing" if not init else "ContainerCreating"}}
        self._last: Json = (before or {}).get("lastState", {})
        self._id = (before or {}).get("containerID", "")
        self._changed = asyncio.Event()
        self._killed: asyncio.Event = asyncio.Event()
        self._resume = bool(before and "running" in before.get("state", {}))

    def status(self) -> Json:
        """The container's entry in the pod's status."""
        image = self.spec["image"]
        status: Json = {
            "name": self.spec["name"],
            "state": self._state,
            "lastState": self._last,
            "ready": self.ready,
            "started": self.started,
            "restartCount": self.restarts,
            "image": image,
            "imageID": image if "@" in image else f"{image}@sha256:{'0' * 64}" if self._id else "",
        }
        if self._id:
            status["containerID"] = self._id
        return status

    def wait(self, reason: str, message: str = "") -> None:
        """Show why the container isn't running yet."""
        waiting = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
        if self._state != waiting:
            self._state = waiting
            self._publish()

    def kill(self) -> None:
        """End the program as a fault would; the restart policy decides what follows."""
        self._killed.set()

    @property
    def running(self) -> bool:
        """Whether a program runs."""
        return "running" in self._state

    async def run(self) -> int:
        """Run until the restart policy lets it end; returns the last exit code."""
        policy = self._pod["spec"].get("restartPolicy", "Always")
        while True:
            code = await self._run_once()
            again = policy == "Always" or (policy == "OnFailure" and code)
            if self._init:
                again = bool(code) and policy != "Never"
            if not again:
                return code
            await self._back_off()

    async def _run_once(self) -> int:
        while problem := missing_environment(self._world.store, self._pod, self.spec):
            self.wait("CreateContainerConfigError", problem)
            await self._world.clock.sleep(DOWN_CHECK_S)
        if not self._resume:
            await self._world.clock.sleep(self._world.draw(CONTAINER_START))
        resumed, self._resume = self._resume, False
        began = self._world.objects.now()
        self._id = f"containerd://{self._world.rng.getrandbits(256):064x}"
        self._killed.clear()
        program = self.program = self._make(resumed=resumed)
        self._state = {"running": {"startedAt": began}}
        self.started = not self.spec.get("startupProbe")
        probing = background.begin(
            self._probe(program), f"probes of {self.spec['name']} of {self._identity.pod}"
        )
        try:
            code = await self._until_end(program)
        finally:
            await background.stop(probing)
            self.program, self.ready, self.started = None, False, False
        self._state = {"terminated": self._terminated(code, began)}
        self._publish()
        return code

    def _make(self, *, resumed: bool) -> Program:
        command = [*self.spec.get("command", ()), *self.spec.get("args", ())]
        container = Container(
            self._identity,
            self.spec["name"],
            self.spec["image"],
            command,
            environment(self._world.store, self._pod, self.spec),
            MountedFiles(self._world.store, self._world.mounts, self._pod, self.spec),
            self.log,
            self._world.clock,
            self._changed.set,
            self.restarts,
            resumed,
        )
        policy = self._pod["spec"].get("restartPolicy", "Always")
        return Errand(container) if self._init or policy != "Always" else self._world.programs(container)

    async def _until_end(self, program: Program) -> int:
        if self._struck(FaultKind.POD_CRASH):
            self.log.write('Exception in thread "main" java.lang.OutOfMemoryError: Java heap space')
            self._publish()
            await self._world.clock.sleep(2.0)
            return 1
        await self._hold_while_down()
        self._publish()
        running = asyncio.create_task(program.run())
        killed = asyncio.create_task(self._killed.wait())
        try:
            await asyncio.wait({running, killed}, return_when=asyncio.FIRST_COMPLETED)
            return running.result() if running.done() else KILLED
        except Exception as bug:
            # A program that fails in itself must look like a crash, not silence its pod for ever.
            _log.exception("container %s of %s", self.spec["name"], self._identity.pod)
            self.log.write(f"emulated program failed: {bug}")
            return 1
        finally:
            await background.stop(running, killed)

    async def _hold_while_down(self) -> None:
        while self.struck_down():
            self.ready = False
            await self._world.clock.sleep(DOWN_CHECK_S)

    def struck_down(self) -> bool:
        """Whether a fault takes the validator or its region down now."""
        return self._struck(FaultKind.VALIDATOR_DOWN) or self._struck(FaultKind.REGION_DOWN)

    def _struck(self, kind: FaultKind) -> bool:
        if self._init:
            return False
        workload = self._identity.workload
        name = workload
        if workload.startswith("validator-"):
            name = f"{self._identity.region}-{workload.removeprefix('validator-')}"
        region = self._identity.region
        return any(
            self._world.faults.strike(kind, region=region, resource=resource) is not None
            for resource in dict.fromkeys((name, workload, "Pod"))
        )

    def _terminated(self, code: int, began: str) -> Json:
        ended: Json = {
            "exitCode": code,
            "reason": "Completed" if code == 0 else "Error",
            "startedAt": began,
            "finishedAt": self._world.objects.now(),
            "containerID": self._id,
        }
        if code and self.spec.get("terminationMessagePolicy") == "FallbackToLogsOnError":
            ended["message"] = "\n".join(list(self.log.lines)[-80:])[-2048:]
        return ended

    async def _back_off(self) -> None:
        self._last = self._state
        self.previous_log, self.log = self.log, Log()
        wait = backoff(self.restarts)
        if self.restarts:
            pod = self._pod["metadata"]
            name = f"{pod['name']}_{pod['namespace']}({pod['uid']})"
            text = f"back-off {wait:.0f}s restarting failed container={self.spec['name']} pod={name}"
            self.wait("CrashLoopBackOff", text)
            self._world.event(
                self._pod,
                "BackOff",
                f"Back-off restarting failed container {self.spec['name']} in pod {name}",
                source="kubelet",
                kind="Warning",
            )
        await self._world.clock.sleep(wait if self.restarts else 1.0)
        self.restarts += 1

    async def _probe(self, program: Program) -> None:
        clock, rng = self._world.clock, self._world.rng
        startup, readiness = self.spec.get("startupProbe"), self.spec.get("readinessProbe")
        began = clock.now()
        while not self.started and startup:
            if await passes(startup, self.spec, program, self._identity.ip):
                self.started = True
                break
            budget = (
                startup.get("initialDelaySeconds", 0) + startup["periodSeconds"] * startup["failureThreshold"]
            )
            if clock.now() - began > budget:
                self._unhealthy("Startup")
                return
            await self._next_probe(startup, ok=False)
        if readiness:
            await clock.sleep(readiness.get("initialDelaySeconds", 0) + rng.uniform(0, 1))
        while True:
            ok = not readiness or await passes(readiness, self.spec, program, self._identity.ip)
            if ok != self.ready:
                self.ready = ok
                self._publish()
            if not readiness:
                return
            await self._next_probe(readiness, ok=ok)

    def _unhealthy(self, kind: str) -> None:
        message = f"Container {self.spec['name']} failed {kind.lower()} probe, will be restarted"
        self._world.event(self._pod, "Killing", message, source="kubelet")
        self.kill()

    async def _next_probe(self, probe: Json, *, ok: bool) -> None:
        """Wait until it's worth asking again: a change was announced, or (while failing) some time passed."""
        period = probe["periodSeconds"]
        pause = None if ok else max(REAL_PROBE_S, period / self._world.clock.time_scale)
        if not await background.within(pause, self._changed):
            return
        self._changed.clear()
        # The announcement falls somewhere between two probes.
        await self._world.clock.sleep(self._world.rng.uniform(0.0, period))

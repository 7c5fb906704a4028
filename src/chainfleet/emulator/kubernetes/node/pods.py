"""The life of one pod on a node: scheduling, volumes, images, containers, and its end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from ... import background
from ..world import World
from .containers import ContainerRun
from .mounting import of_driver
from .program import PodIdentity
from .timing import DISK_ATTACH, IMAGE_PULL, SANDBOX, SHUTDOWN
from .volumes import claims, missing

Json = dict[str, Any]

KUBELET = "kubelet"
MOUNT_AGAIN_S = 15.0
"""Emulated seconds until a volume whose secret can't be had is tried again."""


class PodLife:
    """Carries one pod through its life and keeps its status true.

    Args:
        world: the cluster.
        pod: the pod as it was created.
        place: chooses a node; returns None and reports while there's none.
        pulled: whether a node already has an image; marks it as pulled.
        address: gives out a pod address.
    """

    def __init__(
        self,
        world: World,
        pod: Json,
        *,
        place: Callable[[Json], str | None],
        pulled: Callable[[str, str], bool],
        address: Callable[[], str],
    ) -> None:
        self._world = world
        self._pod = pod
        self._place = place
        self._pulled = pulled
        self._address = address
        self._woken = asyncio.Event()
        self._conditions: dict[str, Json] = {
            c["type"]: c for c in pod.get("status", {}).get("conditions", ())
        }
        self._ip = pod.get("status", {}).get("podIP", "")
        self._phase = "Pending"
        self.containers: list[ContainerRun] = []
        self._init: list[ContainerRun] = []
        self._ended = False
        self._name = f"pod {pod['metadata']['name']}"
        self._task = background.begin(self._live(), self._name)

    @property
    def pod(self) -> Json:
        """The pod's current object."""
        meta = self._pod["metadata"]
        found: Json = self._world.store.find("pods", meta["namespace"], meta["name"]) or self._pod
        return found

    def wake(self) -> None:
        """Something that the pod may wait for has changed."""
        self._woken.set()

    def cancel(self) -> None:
        """Stop at once: the pod is gone, or the emulator stops."""
        self._ended = True
        self._task.cancel()

    async def stopped(self) -> None:
        """Wait until it has stopped after `cancel`."""
        await asyncio.gather(self._task, return_exceptions=True)

    def terminate(self) -> None:
        """Begin the graceful end: the containers stop, then the object goes."""
        if not self._ended:
            self._ended = True
            self._task.cancel()
            self._task = background.begin(self._end(), f"{self._name}, going")

    async def _live(self) -> None:
        before = self._pod.get("status", {})
        resumed = bool(before.get("podIP"))
        if not resumed:
            await self._schedule()
            await self._mount()
        self._build(before)
        if not resumed:
            await self._world.clock.sleep(self._world.draw(SANDBOX))
            self._ip = self._address()
            self._build(before)
            await self._pull()
        if not await self._initialise(before):
            return
        self._condition("Initialized", True)
        self._phase = "Running"
        runs = [asyncio.create_task(c.run()) for c in self.containers]
        try:
            codes = await asyncio.gather(*runs)
        finally:
            for run in runs:
                run.cancel()
            await asyncio.gather(*runs, return_exceptions=True)
        self._phase = "Failed" if any(codes) else "Succeeded"
        self.publish()

    async def _initialise(self, before: Json) -> bool:
        """Run the init containers; returns whether all succeeded."""
        done = {s["name"] for s in before.get("initContainerStatuses", ()) if s.get("ready")}
        for run in self._init:
            if run.spec["name"] not in done:
                code = await run.run()
                if code:
                    self._phase = "Failed"
                    self.publish()
                    return False
            run.ready = True
            self.publish()
        return True

    async def _schedule(self) -> None:
        while not self.pod["spec"].get("nodeName"):
            node = self._place(self.pod)
            if node is not None:
                self._bind(node)
                return
            self._condition("PodScheduled", False, "Unschedulable", self._why_not())
            self.publish()
            await self._wait()

    def _why_not(self) -> str:
        count = len(list(self._world.store.all("nodes")))
        if not count:
            return "no nodes available to schedule pods"
        return (
            f"0/{count} nodes are available: {count} node(s) didn't match the pod's node affinity/selector "
            "or had untolerated taints."
        )

    def _bind(self, node: str) -> None:
        pod = self.pod
        self._world.objects.change(pod, "kube-scheduler", spec={**pod["spec"], "nodeName": node})
        meta = pod["metadata"]
        text = f"Successfully assigned {meta['namespace']}/{meta['name']} to {node}"
        self._world.event(pod, "Scheduled", text, source="default-scheduler")
        self._condition("PodScheduled", True)
        self.publish()

    async def _mount(self) -> None:
        while problems := self._unmountable():
            for problem in (p for p in problems if "unbound" not in p):
                self._world.event(self.pod, "FailedMount", problem, source=KUBELET, kind="Warning")
            self._waiting("ContainerCreating")
            # What lies outside of the cluster wakes nobody: the kubelet tries again by itself.
            await self._wait(MOUNT_AGAIN_S if any(map(of_driver, self._volumes)) else None)
        self._waiting("ContainerCreating")
        if claims(self.pod):
            await self._world.clock.sleep(self._world.draw(DISK_ATTACH))
            self._world.event(
                self.pod,
                "SuccessfulAttachVolume",
                f'AttachVolume.Attach succeeded for volume "{claims(self.pod)[0]}"',
                source="attachdetach-controller",
            )

    def _unmountable(self) -> list[str]:
        problems = missing(self._world.store, self.pod)
        found = (self._world.mounts.problem(self.pod, v) for v in self._volumes if of_driver(v))
        problems += [problem for problem in found if problem]
        namespace = self._pod["metadata"]["namespace"]
        for name in claims(self.pod):
            claim = self._world.store.find("persistentvolumeclaims", namespace, name)
            if claim is None:
                problems.append(f'persistentvolumeclaim "{name}" not found')
            elif claim.get("status", {}).get("phase") != "Bound":
                problems.append(f'pod has unbound immediate PersistentVolumeClaims: "{name}"')
        return problems

    def _waiting(self, reason: str) -> None:
        if not self.containers:
            self._build({})
        for run in (*self._init, *self.containers):
            run.wait(reason)
        self.publish()

    def _build(self, before: Json) -> None:
        pod = self.pod
        meta = pod["metadata"]
        owners = meta.get("ownerReferences") or [{"name": meta["name"]}]
        identity = PodIdentity(
            self._world.spec.id,
            self._world.spec.region,
            meta["namespace"],
            meta["name"],
            meta["uid"],
            self._ip,
            owners[0]["name"],
        )
        known = {
            s["name"]: s
            for s in (*before.get("containerStatuses", ()), *before.get("initContainerStatuses", ()))
        }

        def make(spec: Json, *, init: bool) -> ContainerRun:
            return ContainerRun(
                self._world, pod, spec, identity, self.publish, before=known.get(spec["name"]), init=init
            )

        self._init = [make(c, init=True) for c in pod["spec"].get("initContainers", ())]
        self.containers = [make(c, init=False) for c in pod["spec"]["containers"]]

    async def _pull(self) -> None:
        pod = self.pod
        for run in (*self._init, *self.containers):
            image = run.spec["image"]
            if not self._pulled(pod["spec"]["nodeName"], image):
                self._world.event(pod, "Pulling", f'Pulling image "{image}"', source=KUBELET)
                self._waiting("ContainerCreating")
                await self._world.clock.sleep(self._world.draw(IMAGE_PULL))
                self._world.event(pod, "Pulled", f'Successfully pulled image "{image}"', source=KUBELET)

    @property
    def _volumes(self) -> list[Json]:
        return list(self._pod["spec"].get("volumes", ()))

    async def _wait(self, at_most_s: float | None = None) -> None:
        """Wait until something has changed, or that many emulated seconds."""
        self._woken.clear()
        real = None if at_most_s is None else at_most_s / self._world.clock.time_scale
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(real):
                await self._woken.wait()

    async def _end(self) -> None:
        pod = self.pod
        self._world.event(pod, "Killing", "Stopping container", source=KUBELET)
        for run in self.containers:
            run.ready = False
        self.publish()
        grace = pod["metadata"].get("deletionGracePeriodSeconds", 30)
        if self._ip:
            await self._world.clock.sleep(min(grace, self._world.draw(SHUTDOWN)))
        meta = pod["metadata"]
        self._world.objects.drop("Pod", meta["namespace"], meta["name"])

    def _condition(self, kind: str, met: bool, reason: str = "", message: str = "") -> None:  # noqa: FBT001 - a status
        status = "True" if met else "False"
        old = self._conditions.get(kind, {})
        changed = old.get("status") != status
        self._conditions[kind] = {
            "type": kind,
            "status": status,
            "lastProbeTime": None,
            "lastTransitionTime": self._world.objects.now() if changed else old["lastTransitionTime"],
            **({"reason": reason} if reason else {}),
            **({"message": message} if message else {}),
        }

    def publish(self) -> None:
        """Write the pod's status as it is now."""
        pod = self.pod
        if pod["metadata"]["uid"] != self._pod["metadata"]["uid"]:
            return
        ready = bool(self.containers) and all(c.ready for c in self.containers)
        for kind in ("ContainersReady", "Ready"):
            unready = [c.spec["name"] for c in self.containers if not c.ready]
            message = "" if ready else f"containers with unready status: [{' '.join(unready)}]"
            self._condition(kind, ready, "" if ready else "ContainersNotReady", message)
        status: Json = {
            "phase": self._phase,
            "qosClass": pod.get("status", {}).get("qosClass", "BestEffort"),
            "conditions": [self._conditions[kind] for kind in sorted(self._conditions)],
        }
        if pod["spec"].get("nodeName"):
            status["hostIP"] = "10.224.0.4"
            status["startTime"] = pod.get("status", {}).get("startTime") or self._world.objects.now()
        if self._ip:
            status["podIP"] = self._ip
            status["podIPs"] = [{"ip": self._ip}]
        if self._init:
            status["initContainerStatuses"] = [c.status() for c in self._init]
        if self.containers:
            status["containerStatuses"] = [c.status() for c in self.containers]
        self._world.objects.set_status(pod, status, KUBELET)

"""The seam between a container and what runs in it.

The cluster starts, probes and stops containers without knowing what they do; a program (an emulated Besu,
say) knows nothing about pods. They meet here.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ...seams import Clock

LOG_LINES = 2000


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request to a port of a container."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What the container's server answers."""

    status: int
    body: bytes
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class PodIdentity:
    """Which pod a container belongs to.

    Attributes:
        cluster: ARM id of the cluster.
        region: its region.
        namespace: the pod's namespace.
        pod: the pod's name.
        uid: the pod's uid.
        ip: the pod's address.
        workload: name of the StatefulSet, Deployment, … that made it; the pod's own name if nothing did.
    """

    cluster: str
    region: str
    namespace: str
    pod: str
    uid: str
    ip: str
    workload: str


class Files(Protocol):
    """The container's file system, as far as volumes make it."""

    def read(self, path: str) -> bytes | None:
        """A file from a mounted volume; None if there's none."""
        ...

    def disk(self, path: str) -> str:
        """Which disk a path is on: the same text for the same persistent volume, even in another pod."""
        ...

    def writable(self, path: str) -> bool:
        """Whether a file can be written there."""
        ...


@dataclass(slots=True)
class Log:
    """A container's output; the newest lines are kept."""

    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LOG_LINES))
    _added: asyncio.Event = field(default_factory=asyncio.Event)

    def write(self, line: str) -> None:
        """Add a line."""
        self.lines.append(line)
        self._added.set()
        self._added = asyncio.Event()

    async def wait(self) -> None:
        """Wait for the next line."""
        await self._added.wait()


@dataclass(frozen=True, slots=True)
class Container:
    """All that a program is told.

    Attributes:
        identity: the pod it's in.
        name: the container's name.
        image: its image.
        command: command and arguments from the spec.
        environment: resolved environment variables.
        files: mounted volumes.
        log: where its output goes.
        clock: emulated time.
        changed: call it when readiness may have changed.
        restarted: how often this container was started before.
        resumed: it ran when the emulator was stopped, and only goes on.
    """

    identity: PodIdentity
    name: str
    image: str
    command: Sequence[str]
    environment: Mapping[str, str]
    files: Files
    log: Log
    clock: Clock
    changed: Callable[[], None]
    restarted: int = 0
    resumed: bool = False


class Program(Protocol):
    """What runs in a container."""

    async def run(self) -> int:
        """Run until it ends; returns the exit code. Being stopped is a cancellation."""
        ...

    async def http(self, port: int, request: HttpRequest) -> HttpAnswer | None:
        """Answer a request to one of its ports; None if nothing listens there."""
        ...


Programs = Callable[[Container], Program]
"""Chooses what runs in a container, by its image."""


class Service:
    """A program of which nothing is emulated but that it runs, and answers its probes.

    It listens on every port that its container declares, and says what it is.
    """

    def __init__(self, container: Container) -> None:
        self._container = container

    async def run(self) -> int:
        """Run for ever."""
        self._container.log.write(f"{self._container.image} started")
        await asyncio.Event().wait()
        return 0

    async def http(self, port: int, request: HttpRequest) -> HttpAnswer | None:
        """Say that it's up."""
        if request.method not in ("GET", "HEAD"):
            return HttpAnswer(405, b"", "text/plain")
        text = f"emulated container {self._container.name} ({self._container.image}), port {port}\n"
        return HttpAnswer(200, text.encode(), "text/plain")


class Errand(Service):
    """A program that does its work and ends: init containers and jobs."""

    SECONDS = 3.0

    async def run(self) -> int:
        """Work for a moment and succeed."""
        self._container.log.write(f"{self._container.image} started")
        await self._container.clock.sleep(self.SECONDS)
        self._container.log.write("done")
        return 0

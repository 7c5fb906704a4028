"""A portal on loopback in a thread of this process, and clients for it."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import httpx2
import uvicorn

from chainfleet.drivers.driver import Attempt, Outcome
from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.fleet_file import new_fleet
from chainfleet.portal.application import make_application
from chainfleet.portal.models.access import Role
from chainfleet.portal.service import Portal, PortalSettings
from chainfleet.portal.serving import Server, listen

RUN = "20261125-100000-deploy"
BROKEN = "infrastructure/cluster/uksouth"
DEV = new_fleet("dev", 1138, 4)


class Clock:
    """Wall-clock time that tests can move."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


class Running:
    """A portal that answers."""

    def __init__(self, home: Path, **settings: Any) -> None:
        self.clock = Clock()
        self.said: list[str] = []
        sockets = listen("127.0.0.1", 0)
        self.port = sockets[0].getsockname()[1]
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        known = {"origins": (self.url,), "hosts": (self.host,), "rate": None, "observe": False, **settings}
        tracer = known.pop("tracer", None)
        self.portal = Portal(
            PortalSettings(home, **known), wall=self.clock, say=self.said.append, tracer=tracer
        )
        config = uvicorn.Config(
            make_application(self.portal), log_config=None, lifespan="on", timeout_graceful_shutdown=2
        )
        ready = threading.Event()
        self.server = Server(config, self.portal, ready.set)
        self._thread = threading.Thread(target=self.server.run, kwargs={"sockets": sockets}, daemon=True)
        self._thread.start()
        assert ready.wait(20)
        self._clients: list[httpx2.Client] = []

    def token(
        self, role: Role = Role.ADMIN, *, name: str = "", lasting_s: float = 3600.0, **more: Any
    ) -> str:
        """A new token's secret."""
        by = {"now": self.clock(), "lasting_s": lasting_s, "by": "test"}
        return self.portal.bearers.make(name or role.value, role, "token", **by, **more)[1]

    def client(self, role: Role = Role.ADMIN, **more: Any) -> httpx2.Client:
        """A client that is signed in with a new token."""
        return self.bare({"Authorization": f"Bearer {self.token(role, **more)}"})

    def bare(self, headers: dict[str, str] | None = None) -> httpx2.Client:
        """A client with these headers alone."""
        client = httpx2.Client(base_url=f"{self.url}/api/v1", headers=headers, timeout=30, trust_env=False)
        self._clients.append(client)
        return client

    def stop(self) -> None:
        """Stop as SIGTERM does."""
        self.server.should_exit = True
        self._thread.join(10)
        assert not self._thread.is_alive()
        for client in self._clients:
            client.close()


class Quick:
    """Does nothing, at once; one cluster can't be made."""

    async def observe(self, attempt: Attempt) -> Outcome | None:
        return None

    async def change(self, attempt: Attempt) -> Outcome:
        attempt.log("half done\rdone")
        if attempt.task.id == BROKEN:
            raise TaskFailed(ErrorClass.CONFIGURATION, "no such size of machine", fingerprint="size")
        return Outcome({"genesis_hash": "0x1"})

    async def undo(self, attempt: Attempt) -> Outcome:
        return Outcome()

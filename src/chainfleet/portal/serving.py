"""Serving: uvicorn on loopback or behind TLS, stopped in order even with streams open."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import uvicorn

from chainfleet.model.errors import EnvironmentProblem

from .application import make_application
from .service import Portal

GRACE_S = 2
"""Seconds that requests have to end once the streams have been told."""
BACKLOG = 512


class Server(uvicorn.Server):
    """uvicorn waits for clients to leave before it stops; streams must be told first."""

    def __init__(self, config: uvicorn.Config, portal: Portal, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._portal = portal
        self._started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell."""
        await super().startup(sockets)
        if self.started:
            self._started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop: first the streams."""
        self._portal.streams.stop()
        await super().shutdown(sockets)


def listen(host: str, port: int) -> list[socket.socket]:
    """Sockets on an address; on both loopbacks where the address is `localhost`.

    Raises:
        EnvironmentProblem: it can't be had.
    """
    if host == "localhost":
        first = _bind("127.0.0.1", port)
        sockets = [first]
        # Where this machine knows no IPv6, or the port is taken there, IPv4 is enough.
        with suppress(EnvironmentProblem):
            sockets.append(_bind("::1", first.getsockname()[1]))
        return sockets
    return [_bind(host, port)]


def serve(
    portal: Portal,
    sockets: list[socket.socket],
    started: Callable[[], None],
    *,
    certificate: Path | None,
    key: Path | None,
) -> None:
    """Serve until SIGINT or SIGTERM."""
    config = uvicorn.Config(
        make_application(portal),
        log_config=None,
        access_log=False,
        server_header=False,
        date_header=True,
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=75,
        h11_max_incomplete_event_size=64 * 1024,
        backlog=BACKLOG,
        proxy_headers=False,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    Server(config, portal, started).run(sockets=sockets)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            found.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        found.bind((host, port))
        found.set_inheritable(False)
    except OSError as error:
        found.close()
        raise EnvironmentProblem(
            f"can't listen on {host} port {port}: {(error.strerror or str(error)).lower()}",
            way_out="choose another with --port; 0 takes a free one",
        ) from None
    return found

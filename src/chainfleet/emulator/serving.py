"""Small HTTP servers on the loopback, without aiohttp's application layer: the hot path stays short."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Awaitable, Callable

from aiohttp import web

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_log = logging.getLogger("chainfleet.emulator.http")


class Server:
    """One listening server; make it with `Server.start`."""

    def __init__(self, runner: web.ServerRunner, port: int) -> None:
        self._runner = runner
        self.port = port

    @classmethod
    async def start(
        cls, handler: Handler, *, tls: ssl.SSLContext | None = None, listener: socket.socket | None = None
    ) -> Server:
        """Listen on 127.0.0.1.

        Args:
            handler: answers every request.
            tls: for HTTPS; None means plain HTTP.
            listener: a socket from `bound`; any free port where not given.
        """
        listener = listener or bound()
        server = web.Server(handler, access_log=None, logger=_log, keepalive_timeout=300)
        runner = web.ServerRunner(server, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        await web.SockSite(runner, listener, ssl_context=tls, backlog=512).start()
        return cls(runner, int(listener.getsockname()[1]))

    async def stop(self) -> None:
        """Stop listening and close all connections."""
        await self._runner.cleanup()


def bound(port: int = 0) -> socket.socket:
    """A socket on 127.0.0.1 that will listen later.

    Args:
        port: tried first, so that addresses survive a restart; 0 or a taken one means any free one.
    """
    for attempt in dict.fromkeys((port, 0)):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", attempt))
        except OSError:
            listener.close()
            if attempt == 0:
                raise
            continue
        listener.setblocking(False)
        return listener
    raise AssertionError("binding to any free port either works or raises")

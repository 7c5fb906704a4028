"""Ways from a process to the database that can be cut without anybody being told: nothing arrives, nothing is refused."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import subprocess
import threading
from contextlib import suppress
from urllib.parse import urlsplit

_NUMBERS = itertools.count(os.getpid() % 50 * 5)


class Proxied:
    """Through a proxy on the loopback that, cut, holds back what either side sends, as lost packets would be."""

    prefix: tuple[str, ...] = ()

    def __init__(self, url: str) -> None:
        self._to = urlsplit(url)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._open = self._do(self._begin())
        self.url = url.replace(f":{self._to.port}/", f":{self._port}/")

    def cut(self) -> None:
        """From now on nothing gets through."""
        self._loop.call_soon_threadsafe(self._open.clear)

    def mend(self) -> None:
        """From now on everything does, first what was sent meanwhile."""
        self._loop.call_soon_threadsafe(self._open.set)

    def close(self) -> None:
        """Stop it."""
        self.mend()
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    def _do(self, work):  # type: ignore[no-untyped-def]
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=20)

    async def _begin(self) -> asyncio.Event:
        gate = asyncio.Event()
        gate.set()
        self._met: set[asyncio.Task[None]] = set()
        self._sinks: list[asyncio.StreamWriter] = []
        self._ended = False
        # Not with `_meet` itself: CPython 3.11 forgets its task, which could then be neither ended nor waited for.
        self._server = await asyncio.start_server(self._begin_to_meet, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return gate

    async def _end(self) -> None:
        # Nobody is accepted any more; who was, becomes a line while the server is still there, and is ended as well.
        for listening in self._server.sockets:
            self._loop.remove_reader(listening.fileno())
        self._ended = True
        for _ in range(3):
            await asyncio.sleep(0)
        self._server.close()
        for met in self._met:
            met.cancel()
        await asyncio.gather(*self._met, return_exceptions=True)
        for sink in self._sinks:
            sink.transport.abort()
        # What was aborted is closed in the next turn of the loop.
        await asyncio.sleep(0)

    def _begin_to_meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._sinks.append(writer)
        if self._ended:
            return
        met = asyncio.create_task(self._meet(reader, writer))
        self._met.add(met)
        met.add_done_callback(self._met.discard)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._open.wait()
        try:
            there, beyond = await asyncio.open_connection(self._to.hostname, self._to.port)
        except OSError:
            writer.close()
            return
        self._sinks.append(beyond)
        await asyncio.gather(self._pump(reader, beyond), self._pump(there, writer))

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(65536):
                await self._open.wait()
                sink.write(data)
                await sink.drain()
        except OSError:
            pass
        finally:
            await self._open.wait()
            sink.close()


class Namespaced:
    """From a network namespace of its own over a pair of virtual cards, whose near end is taken down; needs root."""

    def __init__(self, port: int) -> None:
        number = next(_NUMBERS)
        self._name = f"cf{os.getpid()}n{number}"
        self._near, self._far = f"cf{number}a", f"cf{number}b"
        # Of TEST-NET-2: both ends lie on this machine.
        self.host, there = f"198.51.100.{number % 60 * 4 + 1}", f"198.51.100.{number % 60 * 4 + 2}"
        _ip("netns", "add", self._name)
        _ip("link", "add", self._near, "type", "veth", "peer", "name", self._far, "netns", self._name)
        _ip("addr", "add", f"{self.host}/30", "dev", self._near)
        _ip("link", "set", self._near, "up")
        _ip("-n", self._name, "addr", "add", f"{there}/30", "dev", self._far)
        _ip("-n", self._name, "link", "set", self._far, "up")
        _ip("-n", self._name, "link", "set", "lo", "up")
        self.url = f"postgresql://postgres@{self.host}:{port}/postgres"
        self.prefix = ("ip", "netns", "exec", self._name)

    def cut(self) -> None:
        """From now on nothing gets through."""
        _ip("link", "set", self._near, "down")

    def mend(self) -> None:
        """From now on everything does."""
        _ip("link", "set", self._near, "up")

    def close(self) -> None:
        """Take it away."""
        with suppress(subprocess.CalledProcessError):
            _ip("link", "del", self._near)
        with suppress(subprocess.CalledProcessError):
            _ip("netns", "del", self._name)


Line = Proxied | Namespaced


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def why_no_namespaces() -> str:
    """Why namespaces can't be made here; empty where they can."""
    if os.geteuid() != 0:
        return "needs root, to make network namespaces"
    if shutil.which("ip") is None:
        return "needs the Debian package iproute2"
    try:
        Namespaced(1).close()
    except subprocess.CalledProcessError as error:
        return f"network namespaces can't be made here: {error.stderr.strip()}"
    return ""

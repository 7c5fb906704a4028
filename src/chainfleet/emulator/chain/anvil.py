"""Anvil: found, started, asked and stopped.

The binary is started directly: a wrapper such as npx would leave it alive when it's killed itself. On
Linux the kernel ends it when the emulator dies, however it dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import itertools
import os
import platform
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from chainfleet.model.errors import EnvironmentProblem
from chainfleet.model.variables import Variable

VARIABLE = Variable.ANVIL
LOST = -32603
"""Code of an `RpcError` that means that anvil is gone ("Internal error")."""
_START_S = 20.0
"""Real seconds that anvil may take to answer; usually it's 0.1."""
_PR_SET_PDEATHSIG = 1
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class RpcError(Exception):
    """The node refused a call.

    Args:
        code: JSON-RPC error code.
        message: its text.
        data: what came with it.
    """

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def body(self) -> dict[str, Any]:
        """The `error` of a response."""
        return {
            "code": self.code,
            "message": self.message,
            **({"data": self.data} if self.data is not None else {}),
        }


def package_name() -> str:
    """Name of the npm package that holds the binary for this machine."""
    system = {"darwin": "darwin", "win32": "win32"}.get(sys.platform, "linux")
    return f"anvil-{system}-{_MACHINES.get(platform.machine().lower(), platform.machine().lower())}"


def find_anvil(environ: Mapping[str, str], project: Path | None = None) -> Path:
    """Find the binary: the variable CHAINFLEET_ANVIL, the project's own, then PATH.

    Args:
        environ: the environment.
        project: folder that holds `tools/anvil`; by default this package's project, and the current folder.

    Raises:
        EnvironmentProblem: it isn't there.
    """
    if named := environ.get(VARIABLE):
        if Path(named).is_file() and os.access(named, os.X_OK):
            return Path(named)
        raise EnvironmentProblem(
            f"{VARIABLE} names {named}, which is no executable file",
            way_out="name the program itself, or unset the variable",
        )
    places = [project] if project else [Path(__file__).resolve().parents[4], Path.cwd()]
    name = "anvil.exe" if sys.platform == "win32" else "anvil"
    for place in places:
        binary = place / "tools/anvil/node_modules/@foundry-rs" / package_name() / "bin" / name
        if binary.is_file():
            return binary
    if found := shutil.which("anvil", path=environ.get("PATH")):
        return Path(found)
    raise EnvironmentProblem(
        "anvil isn't installed: the emulated chains need it",
        way_out="put anvil on PATH (npm install @foundry-rs/anvil, or Foundry's installer), or name it in "
        f"{VARIABLE}; in a clone `make setup` brings it",
    )


def _die_with_parent() -> Callable[[], None] | None:
    """What a child runs first, so that the kernel ends it with us; None where that isn't possible."""
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def prepare() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died in between
            os._exit(1)

    return prepare


def free_port() -> int:
    """A loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Anvil:
    """One running anvil.

    Args:
        binary: its executable.
        arguments: its command line, without port and host.
        port: where it listens; 0 is any free port.
    """

    def __init__(self, binary: Path, arguments: Sequence[str], *, port: int = 0) -> None:
        self._binary = binary
        self._arguments = list(arguments)
        self._process: asyncio.subprocess.Process | None = None
        self._session: aiohttp.ClientSession | None = None
        self._ids = itertools.count(1)
        self._wanted_port = port
        self.port = 0

    @property
    def url(self) -> str:
        """Its JSON-RPC address."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """Its process id, while it runs."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            EnvironmentProblem: it ends at once or never answers.
        """
        for attempt in range(3):
            self.port = self._wanted_port if self._wanted_port and attempt == 0 else free_port()
            if await self._try():
                return
        raise EnvironmentProblem(
            f"anvil doesn't start: {self._binary} {' '.join(self._arguments)}",
            way_out="run that command by hand to see why",
        )

    async def _try(self) -> bool:
        self._process = await asyncio.create_subprocess_exec(
            str(self._binary),
            *self._arguments,
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--quiet",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            preexec_fn=_die_with_parent(),
        )
        self._session = self._session or aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=16), timeout=aiohttp.ClientTimeout(total=60)
        )
        deadline = asyncio.get_running_loop().time() + _START_S
        while asyncio.get_running_loop().time() < deadline and self._process.returncode is None:
            with contextlib.suppress(RpcError):
                await self.call("eth_chainId")
                return True
            await asyncio.sleep(0.02)
        await self._end()
        return False

    async def call(self, method: str, *params: Any) -> Any:
        """Call a method.

        Raises:
            RpcError: anvil refuses the call.
        """
        if self._session is None:
            raise RpcError(-32603, "anvil isn't running")
        body = {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(params)}
        try:
            async with self._session.post(self.url, json=body) as response:
                answer = await response.json()
        except (aiohttp.ClientError, OSError) as lost:
            raise RpcError(LOST, f"anvil doesn't answer: {lost}") from lost
        if error := answer.get("error"):
            raise RpcError(error["code"], error["message"], error.get("data"))
        return answer.get("result")

    async def stop(self) -> None:
        """End it: it writes its state, if it was told to keep one."""
        await self._end()
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

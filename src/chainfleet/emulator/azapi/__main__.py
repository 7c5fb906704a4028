"""`python -m chainfleet.emulator.azapi`: one provider process for all roots.

Prints one line, the value of TF_REATTACH_PROVIDERS, and serves until its owner is gone: SIGTERM, SIGINT,
the death of the parent (Linux), or the end of standard input where that is a pipe. Terraform's request to
stop a provider breaks off only what that Terraform waits for.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import random
import signal
import stat
import sys

import grpc.aio

from . import schema
from .arm import Arm, Settings
from .service import Service, handlers

_PR_SET_PDEATHSIG = 1
_MAX_MESSAGE = 256 << 20
"""Terraform's own bound for a message, in bytes."""


def reattach_line(port: int, pid: int) -> str:
    """The value of TF_REATTACH_PROVIDERS for a provider at that port."""
    entry = {
        "Protocol": "grpc",
        "ProtocolVersion": 6,
        "Pid": pid,
        "Test": True,
        "Addr": {"Network": "tcp", "String": f"127.0.0.1:{port}"},
    }
    return json.dumps(dict.fromkeys(schema.SOURCES, entry))


async def serve(service: Service) -> tuple[grpc.aio.Server, int]:
    """Start answering on a free port of the loopback; the server and the port."""
    # TCP rather than a Unix socket: only so does each Terraform have an address of its own, and can be
    # stopped without stopping the others.
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", _MAX_MESSAGE),
            ("grpc.max_send_message_length", _MAX_MESSAGE),
            ("grpc.so_reuseport", 0),
        ]
    )
    server.add_generic_rpc_handlers(tuple(handlers(service)))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    return server, port


async def _owner_gone() -> None:
    """Return when this process should end."""
    loop = asyncio.get_running_loop()
    gone = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, gone.set)
    mode = os.fstat(0).st_mode
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        reader = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        watch = asyncio.create_task(_until_end(reader, gone))
        await gone.wait()
        watch.cancel()
    else:
        await gone.wait()


async def _until_end(reader: asyncio.StreamReader, gone: asyncio.Event) -> None:
    while await reader.read(4096):
        pass
    gone.set()


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


async def _main() -> None:
    service = Service(lambda: Arm(Settings.of(os.environ), random.Random()))  # noqa: S311 - jitter only
    server, port = await serve(service)
    sys.stdout.write(reattach_line(port, os.getpid()) + "\n")
    sys.stdout.flush()
    await _owner_gone()
    await server.stop(grace=0.2)
    await service.close()


if __name__ == "__main__":
    _die_with_parent()
    asyncio.run(_main())

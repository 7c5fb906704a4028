"""The emulator as a process: starts its parts, tells that it is ready, and ends cleanly."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence

from chainfleet.model.errors import ChainfleetError

from . import background
from .assembly import Assembly
from .owners import Owners
from .settings import Settings, parse
from .state import StateFolder


def main(argv: Sequence[str] | None = None) -> int:
    """Run the emulated cloud until it is told to stop; returns the exit code.

    Prints one JSON line when everything answers.
    """
    settings = parse(argv)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        folder = StateFolder(settings.state)
        try:
            asyncio.run(_run(settings, folder))
        finally:
            folder.release()
    except ChainfleetError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


async def _run(settings: Settings, folder: StateFolder) -> None:
    folder.own(os.getpid())
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    owners = Owners(settings.parent_pid, stop.set)
    watch = background.begin(owners.watch(), "watch over owners")
    assembly = Assembly(settings, folder, stop.set, owners)
    try:
        begin = asyncio.create_task(assembly.start())
        ended = asyncio.create_task(stop.wait())
        await asyncio.wait({begin, ended}, return_when=asyncio.FIRST_COMPLETED)
        if begin.done():
            ready = begin.result()
            # What was made so far stays: don't look at it again and again while requests come in.
            gc.collect()
            gc.freeze()
            sys.stdout.write(json.dumps(ready) + "\n")
            sys.stdout.flush()
            await ended
        else:
            await background.stop(begin)
    finally:
        await background.stop(watch)
        await assembly.stop()

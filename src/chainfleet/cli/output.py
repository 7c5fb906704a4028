"""How a command ends, and writing where nobody may read any more: a pager that was quit, a terminal that was closed, a disk that is full.

What shows a run must never end it. Who can't be written to is let go of, and the run goes on.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

import typer


def guarded(run: Callable[[], object]) -> None:
    """Run a command, and turn the errors that are meant for people into one line and an exit code."""
    from chainfleet.model.errors import ChainfleetError, ExitCode

    try:
        run()
    except ChainfleetError as error:
        tell(f"error: {error}", err=True)
        raise SystemExit(error.exit_code) from None
    except KeyboardInterrupt:
        tell("cancelled", err=True)
        raise SystemExit(130) from None
    except BrokenPipeError:
        let_go()
        raise SystemExit(0) from None
    except OSError as error:
        if not tell_refusal(error):
            raise
        raise SystemExit(ExitCode.MACHINE_LACKS) from None


def tell(line: str, *, err: bool = False) -> None:
    """Write a line, if anybody takes it."""
    try:
        typer.echo(line, err=err)
    except OSError:
        let_go()


def let_go() -> None:
    """Send what can't be written from now on to nowhere: the exit of the interpreter flushes once more."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


REFUSALS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM, errno.EMFILE}
"""What a machine refuses without any mistake of ours."""


def tell_refusal(error: OSError) -> bool:
    """Say what this machine refused; False where it is something else, and a traceback tells more."""
    if error.errno not in REFUSALS:
        return False
    let_go()
    where = f"{error.filename}: " if error.filename else ""
    tell(f"error: {where}{(error.strerror or str(error)).lower()}", err=True)
    tell("  way out: make room there, or choose another place", err=True)
    return True

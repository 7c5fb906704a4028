"""How a command ends, and writing where nobody may read any more: a pager that was quit, a terminal that was closed, a disk that is full.

What shows a run must never end it. Who can't be written to is let go of, and the run goes on.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from collections.abc import Callable

import typer

from .words import as_typed, begin


def guarded(run: Callable[[], object]) -> None:
    """Run a command, and turn the errors that are meant for people into one line and an exit code."""
    from chainfleet.model.errors import ChainfleetError, ExitCode

    begin()
    _write_all_letters()
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


def write(line: str, *, err: bool = False) -> None:
    """Write a line; commands that it names are for the fleet as it was typed. Raises OSError."""
    typer.echo(as_typed(line), err=err)


def tell(line: str, *, err: bool = False) -> None:
    """Write a line, if anybody takes it."""
    try:
        write(line, err=err)
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


_PLAINLY = str.maketrans("·○▶↻⏸✔✖–■×→…’€²", ".o>@=+x-#x>.'E2")
_PLAIN = "chainfleet-plain"


def _write_all_letters() -> None:
    """Let a terminal or file of few letters be written with those: a run must not end because `✔` can't be shown."""
    codecs.register_error(_PLAIN, _plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and not stream.encoding.lower().startswith("utf"):
            stream.reconfigure(errors=_PLAIN)


def _plainly(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_PLAINLY)
    return text.encode("ascii", "replace").decode(), error.end


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

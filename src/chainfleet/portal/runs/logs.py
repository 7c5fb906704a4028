"""Logs of attempts: found by task and attempt, read in pages, searched on the server."""

from __future__ import annotations

from pathlib import Path

from ..environments.desk import Book, Desk
from ..problems import ProblemError, not_found

_CHUNK = 256 * 1024
"""Bytes read for one page."""
_LINE = 4000
"""Characters of one line that are shown."""


def path_of(desk: Desk, book: Book, task: str, attempt: int | None) -> tuple[Path, int]:
    """The log of an attempt, the last one by default.

    Raises:
        ProblemError: the run has no such task, or it has no such attempt.
    """
    if task not in book.view.tasks:
        raise not_found("task", task)
    last = book.view.attempts.get(task, 0)
    number = attempt or last
    path = desk.state.log(book.view.run, task, number)
    if not 1 <= number <= last or not path.is_file():
        raise ProblemError(404, "unknown-log", f"there is no log of attempt {number} of {task}")
    return path, number


def lines_of(
    path: Path, offset: int, line: int, query: str, limit: int
) -> tuple[list[tuple[int, str]], int, int]:
    """Whole lines from a byte on, and the byte and the line number to go on with.

    A line that rewrites itself (progress bars) is shown as it stood in the end.
    """
    with path.open("rb") as stream:
        stream.seek(offset)
        raw = stream.read(_CHUNK)
    end = raw.rfind(b"\n") + 1
    if end == 0 and len(raw) == _CHUNK:
        end = len(raw)
    found: list[tuple[int, str]] = []
    used, number = 0, line
    for part in raw[:end].splitlines(keepends=True):
        if not part.endswith(b"\n") and used + len(part) < end:
            # A lone carriage return: the line goes on and replaces what it said.
            used += len(part)
            continue
        used += len(part)
        text = part.decode("utf-8", "replace").rstrip("\r\n")[:_LINE]
        number += 1
        if query.lower() in text.lower():
            found.append((number, text))
            if len(found) == limit:
                break
    return found, offset + used, number


def tail_of(path: Path, lines: int) -> tuple[int, int]:
    """Where the last lines begin: byte and the number of lines before it."""
    with path.open("rb") as stream:
        raw = stream.read()
    whole = raw.rfind(b"\n") + 1
    start = whole
    for _ in range(lines):
        before = raw.rfind(b"\n", 0, max(0, start - 1))
        start = before + 1
        if before < 0:
            break
    return start, raw.count(b"\n", 0, start)

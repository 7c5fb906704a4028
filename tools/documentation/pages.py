"""Reads pages: their console blocks, the files they give, and what their comments say about running them.

A page says these things, and nothing else decides what is run:

`<!-- session: name=guide part=2 cloud=my-chain scale=120 clone NAME=VALUE -->` once, anywhere
    Pages of one name share a folder and run in the order of their parts; a page without it is a session of its own.
    `cloud` holds the emulated cloud of that environment during the whole session, `scale` is its time scale,
    `clone` makes the session's folder look like a clone of the repository; names in capitals are environment variables.
`<!-- run: exit=6 terminal=one until=TEXT -->` right above a block
    `exit` is the exit code that its last command must have. `terminal` runs its command beside the others, and goes on
    when it has printed `until`; a later block of that terminal, without a command, shows the rest.
`*Not run: it needs an Azure subscription.*` right above a block
    Shown to the reader as well.
`title="fleet.yaml"` behind the fence's language
    The block is a file, which is written to the session's folder.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})(?P<language>[\w-]*) *(?P<rest>.*)$")
_TITLE = re.compile(r'title="([^"]+)"')
_SESSION = re.compile(r"<!-- session: (.+?) -->")
_RUN = re.compile(r"^ *<!-- run: (.+?) -->$")
_NOT_RUN = re.compile(r"^ *\*Not run: (.+)\*$")


@dataclass(frozen=True, slots=True)
class Step:
    """One command and what the page shows of its output.

    Attributes:
        command: as typed, continuation lines included; empty in a block that shows the rest of a terminal.
        shown: lines of output.
        first: index in the page of the first shown line, or of where it would stand.
    """

    command: str
    shown: tuple[str, ...]
    first: int


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block that matters: a console, or a file.

    Attributes:
        page: path relative to the repository.
        line: of its fence, counted from 1.
        indent: how far it is indented.
        steps: of a console.
        file: name of the file that it is; empty for a console.
        text: of a file.
        not_run: why it is not run; empty if it is.
        options: what the comment above it says.
    """

    page: str
    line: int
    indent: int = 0
    steps: tuple[Step, ...] = ()
    file: str = ""
    text: str = ""
    not_run: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def place(self) -> str:
        """Where it stands."""
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True)
class Page:
    """A page with what matters of it."""

    path: Path
    settings: Mapping[str, str]
    blocks: tuple[Block, ...]

    @property
    def name(self) -> str:
        """Path relative to the repository."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def session(self) -> str:
        """The session that it belongs to: its own name where it names none."""
        return self.settings.get("name", self.name)

    @property
    def is_run(self) -> bool:
        """Whether anything of it is run."""
        return any(block.steps and not block.not_run for block in self.blocks)


def all_pages() -> list[Page]:
    """README.md and every page of docs/."""
    return [read_page(path) for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]]


def sessions(pages: Iterable[Page]) -> dict[str, list[Page]]:
    """The pages of each session that runs something, in order."""
    found: dict[str, list[Page]] = {}
    for page in sorted(pages, key=lambda page: (int(page.settings.get("part", "0")), page.name)):
        found.setdefault(page.session, []).append(page)
    return {name: parts for name, parts in found.items() if any(page.is_run for page in parts)}


def read_page(path: Path) -> Page:
    """Read one page."""
    text = path.read_text(encoding="utf-8")
    comment = _SESSION.search(text)
    settings = _words(comment.group(1)) if comment else {}
    name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
    return Page(path, settings, tuple(_blocks(name, text.splitlines())))


def _blocks(page: str, lines: Sequence[str]) -> Iterator[Block]:
    index = 0
    while index < len(lines):
        fence = _FENCE.match(lines[index])
        if fence is None:
            index += 1
            continue
        end = _end(lines, index, fence["ticks"])
        block = _block(page, lines, index, end, fence)
        if block is not None:
            yield block
        index = end + 1


def _end(lines: Sequence[str], begin: int, ticks: str) -> int:
    return next((i for i in range(begin + 1, len(lines)) if lines[i].strip() == ticks), len(lines))


def _block(page: str, lines: Sequence[str], begin: int, end: int, fence: re.Match[str]) -> Block | None:
    indent = len(fence["indent"])
    body = [line[indent:] for line in lines[begin + 1 : end]]
    title = _TITLE.search(fence["rest"])
    options, not_run = _above(lines, begin)
    if title is not None:
        text = "".join(f"{line}\n" for line in body)
        return Block(page, begin + 1, indent, file=title.group(1), text=text, not_run=not_run)
    if fence["language"] != "console":
        return None
    steps = tuple(_steps(body, begin + 1))
    return Block(page, begin + 1, indent, steps=steps, not_run=not_run, options=options)


def _above(lines: Sequence[str], begin: int) -> tuple[Mapping[str, str], str]:
    """What the line right above a block says about it, blank lines left out."""
    above = next((line for line in reversed(lines[:begin]) if line.strip()), "")
    run, not_run = _RUN.match(above), _NOT_RUN.match(above)
    return _words(run.group(1)) if run else {}, not_run.group(1) if not_run else ""


def _steps(body: Sequence[str], first: int) -> Iterator[Step]:
    """Cut a console into commands (`$ `, continued behind a backslash or by `> `) and their output."""
    command: list[str] = []
    shown: list[str] = []
    start = first
    for number, line in enumerate(body):
        if line.startswith("$ "):
            if command or shown:
                yield Step("\n".join(command), tuple(shown), start)
            command, shown, start = [line[2:]], [], first + number + 1
        elif command and not shown and (command[-1].endswith("\\") or line.startswith("> ")):
            command.append(line.removeprefix("> "))
            start = first + number + 1
        else:
            shown.append(line)
    if command or shown:
        yield Step("\n".join(command), tuple(shown), start)


def _words(text: str) -> Mapping[str, str]:
    pairs = (word.partition("=") for word in shlex.split(text))
    return {key: value for key, _, value in pairs}

"""Runs a session: one shell in one folder, block after block, as a reader would type them."""

from __future__ import annotations

import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from .comparing import difference
from .pages import ROOT, Block, Page, Step

COMMAND_WITHIN_S = 180.0
_PROBLEM = 6
_LATE = re.compile(r"^problem +\d+ of the last \d+ blocks needed more than one round\n", re.MULTILINE)
"""Emulated blocks are a thirtieth of a second apart: where the machine is busy while nodes start, some are late. That is
chance, and no page is about it."""
_END_WITHIN_S = 20.0
_MARK = re.compile(rb"\x1e(\d+)\x1e\n")
_FOREIGN = (
    *("AZURE_", "ARM_", "AWS_", "GOOGLE_", "MAINNET_", "CHAINFLEET_", "PYTEST_", "TF_", "KUBECONFIG"),
    *("MAKE", "MFLAGS"),  # Of the `make test` that this may be part of.
)
_LOOKS = ("chainfleet status ", "chainfleet besu chain ", "chainfleet verify ")
_LOOKED_AT_FOR_S = 60.0
"""A network takes its time on a busy machine: what only looks is asked again for so long until it shows the page."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a step printed, and what is wrong with that."""

    block: Block
    step: Step
    printed: tuple[str, ...]
    problem: str


class Stuck(Exception):
    """A command did not end, or did not say what was waited for."""


def run_session(pages: Sequence[Page], folder: Path) -> Iterator[Result]:
    """Run the pages' blocks in order.

    Args:
        pages: of one session; the settings of the first one hold.
        folder: an empty one.
    """
    with _prepared(pages[0].settings, folder) as shell:
        for block in (block for page in pages for block in page.blocks if not block.not_run):
            if block.file:
                file = shell.folder / block.file
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(block.text, encoding="utf-8")
                continue
            for step in block.steps:
                yield (
                    _looked(shell, block, step)
                    if step.command.startswith(_LOOKS)
                    else _run(shell, block, step)
                )


def _looked(shell: Shell, block: Block, step: Step) -> Result:
    deadline = time.monotonic() + _LOOKED_AT_FOR_S
    while (result := _run(shell, block, step)).problem and time.monotonic() < deadline:
        time.sleep(1.0)
    return result


def _run(shell: Shell, block: Block, step: Step) -> Result:
    last = step is block.steps[-1]
    wanted = int(block.options.get("exit", "0")) if last else 0
    try:
        if "terminal" in block.options:
            text, code = shell.beside(block.options["terminal"], step.command, block.options.get("until"))
        else:
            text, code = shell.run(step.command)
    except Stuck as error:
        return Result(block, step, (), f"{block.place}: {step.command}\n{error}")
    late = _LATE.search(text)
    if late and code == _PROBLEM and wanted == 0 and text.count("\nproblem ") == 1:
        text, code = text.replace(late[0], ""), 0
    printed = tuple(text.splitlines())
    if code is not None and code != wanted:
        # Not what the page is about, so nothing that it could be made to show.
        message = f"exit code {code}, not {wanted}; it printed:\n{text[-2000:]}"
        return Result(block, step, (), f"{block.place}: {step.command}\n{message}")
    problem = difference(step.shown, printed) if step.shown else ""
    return Result(block, step, printed, f"{block.place}: {step.command}\n{problem}" if problem else "")


@contextmanager
def _prepared(settings: Mapping[str, str], folder: Path) -> Iterator[Shell]:
    """A shell, and the emulated cloud that the settings ask for."""
    from chainfleet.emulator.client import start

    environ = _environ({key: value for key, value in settings.items() if key.isupper()})
    if "clone" in settings:
        for entry in (entry for entry in ROOT.iterdir() if entry.name not in (".git", ".chainfleet")):
            (folder / entry.name).symlink_to(entry)
    with ExitStack() as stack:
        if "cloud" in settings:
            scale = float(settings.get("scale", "60"))
            state = folder / ".chainfleet" / settings["cloud"] / "emulator"
            stack.enter_context(start(state, time_scale=scale))
        shell = Shell(folder, environ, folder / ".session")
        stack.callback(shell.close)
        yield shell


def _environ(given: Mapping[str, str]) -> dict[str, str]:
    own = {key: value for key, value in os.environ.items() if not key.startswith(_FOREIGN)}
    path = os.pathsep.join([str(Path(sys.executable).parent), own.get("PATH", "")])
    plain = {"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "120", "LC_ALL": "C.UTF-8"}
    return {**own, **plain, "PATH": path, **given}


@dataclass
class Shell:
    """One bash that keeps its variables and folder from command to command, and terminals beside it."""

    folder: Path
    environ: Mapping[str, str]
    scratch: Path
    _bash: subprocess.Popen[bytes] = field(init=False)
    _terminals: dict[str, Terminal] = field(default_factory=dict)
    _code: int = 0

    def __post_init__(self) -> None:
        """Start it."""
        self.scratch.mkdir(parents=True, exist_ok=True)
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.folder,
            env=dict(self.environ),
            start_new_session=True,
        )

    def run(self, command: str) -> tuple[str, int]:
        """Run a command; return what it printed and its exit code.

        Raises:
            Stuck: it did not end.
        """
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        script = f"{{ (exit {self._code})\n{command}\n}} </dev/null\nprintf '\\036%d\\036\\n' \"$?\"\n"
        self._bash.stdin.write(script.encode())
        self._bash.stdin.flush()
        text, self._code = _until_mark(self._bash.stdout)
        return text, self._code

    def beside(self, name: str, command: str, until: str | None) -> tuple[str, int | None]:
        """Run a command in a terminal of its own until it has printed something, or wait for its end.

        Returns:
            What it printed since, and its exit code if it has ended.
        """
        if command:
            self.run(f"env -0 > {self.scratch}/environ; pwd > {self.scratch}/pwd")
            pairs = (self.scratch / "environ").read_text(encoding="utf-8").split("\0")
            environ = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
            place = (self.scratch / "pwd").read_text(encoding="utf-8").strip()
            self._terminals[name] = Terminal(command, place, environ, self.scratch / f"{name}.out")
        return self._terminals[name].read(until)

    def close(self) -> None:
        """End everything that was started."""
        for terminal in self._terminals.values():
            terminal.close()
        _end(self._bash)
        for stream in (self._bash.stdin, self._bash.stdout):
            if stream is not None:
                stream.close()


class Terminal:
    """A command that runs beside the others."""

    def __init__(self, command: str, folder: str, environ: Mapping[str, str], file: Path) -> None:
        self._file = file
        self._seen = 0
        with file.open("wb") as stream:
            self._process = subprocess.Popen(
                ["bash", "--noprofile", "--norc", "-c", f"exec {command}"],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env=dict(environ),
                start_new_session=True,
            )

    def read(self, until: str | None) -> tuple[str, int | None]:
        """What it printed since the last time, up to the line with `until` or to its end."""
        deadline = time.monotonic() + COMMAND_WITHIN_S
        while time.monotonic() < deadline:
            code = self._process.poll()
            text = self._file.read_text(encoding="utf-8", errors="replace")[self._seen :]
            if until is not None and until in text and "\n" in text.partition(until)[2]:
                end = text.index("\n", text.index(until)) + 1
                self._seen += end
                return text[:end], None
            if code is not None:
                if until is not None:
                    raise Stuck(f"it ended before it printed {until!r}:\n{text[-2000:]}")
                return text, code
            time.sleep(0.05)
        raise Stuck(f"nothing for {COMMAND_WITHIN_S:.0f} s; it printed:\n{text[-2000:]}")

    def close(self) -> None:
        """End it as Ctrl-C does, then by force. Twice: a shell that is just starting its command swallows the first."""
        for patience_s in (2.0, 10.0):
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGINT)
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(patience_s)
        _end(self._process, within_s=0.0)


def _until_mark(stream: IO[bytes]) -> tuple[str, int]:
    """Read up to the mark that follows every command."""
    deadline = time.monotonic() + COMMAND_WITHIN_S
    data = b""
    with selectors.DefaultSelector() as selector:
        selector.register(stream, selectors.EVENT_READ)
        while time.monotonic() < deadline:
            if selector.select(1.0):
                more = os.read(stream.fileno(), 65536)
                data += more
                found = _MARK.search(data)
                if found:
                    return data[: found.start()].decode(errors="replace"), int(found.group(1))
                if not more:
                    raise Stuck(f"the shell has gone; it printed:\n{data.decode(errors='replace')[-2000:]}")
    raise Stuck(
        f"no end after {COMMAND_WITHIN_S:.0f} s; it printed:\n{data.decode(errors='replace')[-2000:]}"
    )


def _end(process: subprocess.Popen[bytes], within_s: float = _END_WITHIN_S) -> None:
    """Wait for a process that was asked to end, or end its whole group."""
    if process.stdin is not None:
        process.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(within_s)
    with suppress(ProcessLookupError):
        # What it had started and did not end.
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()

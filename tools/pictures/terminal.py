"""Recordings of real commands: what they print, and the live view of a deployment, as SVG without foreign fonts."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Sequence
from fcntl import ioctl
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

WIDTH = 118
# What rich's live view sends before it draws anew.
_REDRAW = re.compile(r"\r?(?:\x1b\[2K|\x1b\[1A)+")


def recording(command: str, shown: str) -> str:
    """What a command showed, as a terminal's window."""
    console = Console(
        record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(Text(f"$ {command}", style="bold"))
    for line in shown.rstrip().splitlines():
        console.print(Text.from_ansi(line), no_wrap=True, overflow="ellipsis", crop=True)
    drawn = console.export_svg(title="chainfleet", theme=DIMMED_MONOKAI, unique_id="chainfleet")
    # Fonts of a foreign address would be asked for by whoever opens the file.
    return re.sub(r"@font-face \{.*?\}\s*|<!--.*?-->\s*", "", drawn, flags=re.DOTALL).replace(
        "Fira Code", "ui-monospace"
    )


def output_of(words: Sequence[str], folder: Path) -> str:
    """What a command prints where it is no terminal."""
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True, timeout=300)
    return done.stdout


def live_frames(words: Sequence[str], folder: Path) -> list[str]:
    """The pictures that a command draws on a terminal, in order; what it prints at its end is the last."""
    terminal, child = pty.openpty()
    ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 60, WIDTH, 0, 0))
    environ = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(WIDTH), "LINES": "60"}
    environ.pop("NO_COLOR", None)
    with subprocess.Popen(words, cwd=folder, stdin=child, stdout=child, stderr=child, env=environ) as process:
        os.close(child)
        try:
            seen = _read(terminal, process)
            process.wait(timeout=60)
        finally:
            process.kill()
            os.close(terminal)
    if process.returncode:
        raise SystemExit(seen)
    frames = [frame.replace("\r\n", "\n").strip("\n") for frame in _REDRAW.split(seen)]
    return [re.sub(r"\x1b\[\?25[lh]", "", frame) for frame in frames if frame.strip()]


def _read(terminal: int, process: subprocess.Popen[bytes]) -> str:
    parts, deadline = [], time.monotonic() + 300
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                parts.append(os.read(terminal, 65536))
            except OSError:  # The other side is closed.
                break
        elif process.poll() is not None:
            break
    return b"".join(parts).decode()

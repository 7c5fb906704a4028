"""Compares output with what a page shows of it: times, addresses and names of runs may differ, nothing else.

`…` alone on a line stands for any lines, inside a line for any text.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

ELISION = "…"
_WIDEST = 150

_VOLATILE = [
    (re.compile(pattern), placeholder)
    for pattern, placeholder in (
        (r"\x1b\[[0-9;]*m", ""),
        (r"\b\d{8}-\d{6}-([a-z]+)(-\d+)?\b", r"⟨\1⟩"),
        (r"\b\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d+)?)?)?Z?", "⟨date⟩"),
        (r"\b\d\d:\d\d:\d\d\b", "⟨time⟩"),
        (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "⟨uuid⟩"),
        (r"\b0x[0-9a-fA-F]{8,}", "⟨hex⟩"),
        (r"\benode://[0-9a-f]+", "enode://⟨hex⟩"),
        (r"\brevision [0-9a-f]{12}\b", "revision ⟨hex⟩"),
        (r"\b127\.0\.0\.1:\d+", "⟨loopback⟩"),
        (r"#t=[\w-]+", "#t=⟨token⟩"),
        (r"\b[\w.-]+@[\w.-]+(?= )", "⟨who⟩"),
        (r"\bprocess \d+ on \S+", "process ⟨n⟩ on ⟨host⟩"),
        (r"[^\s`']*/runs/", "⟨state⟩/runs/"),
        (r"\d+(\.\d+)?-\d+(\.\d+)?(?=\)| s| min)", "⟨range⟩"),
        (r"(?<![\w.])-?\d+(\.\d+)? ?(ms|µs|s|min|h|d)\b", "⟨duration⟩"),
        (r"\d+(\.\d+)? ?%", "⟨share⟩"),
        (r"\d+\.\d+ ×", "⟨ratio⟩ ×"),
        (r"\b(block|head|from|spread) \d+", r"\1 ⟨n⟩"),
        (r"\b[1-9]\d* changed, [1-9]\d* already right", "⟨n⟩ changed, ⟨n⟩ already right"),
        (r"\b\d+ of \d+ recent blocks", "⟨n⟩ recent blocks"),
        (r"\b\d+ seals at least", "⟨n⟩ seals at least"),
        (r"\b\d+ MiB\b", "⟨memory⟩"),
        (r"\bon \d+ cores\b", "on ⟨n⟩ cores"),
        (r"\b(Terraform|OpenTofu|terraform|tofu) v?\d+\.\d+\.\d+", r"\1 ⟨version⟩"),
    )
]


def settled(line: str) -> str:
    """A line without what differs from run to run, and with single spaces."""
    for pattern, placeholder in _VOLATILE:
        line = pattern.sub(placeholder, line)
    return " ".join(line.split())


def difference(shown: Sequence[str], printed: Sequence[str]) -> str:
    """What is wrong with what the page shows, as a diff; "" if it fits."""
    wanted = [settled(line) for line in shown]
    got = [line for line in map(settled, printed) if line]
    if re.fullmatch(_pattern([line for line in wanted if line]), "".join(f"{line}\n" for line in got)):
        return ""
    lines = difflib.unified_diff(wanted, got, "the page", "the command", lineterm="", n=1)
    return "\n".join(lines)


_CHANCE = [
    (re.compile(r"^( +\d+\.\ds  (?:infra|verify) .*?) \| .*"), r"\1 | …"),
    (re.compile(r'^(\{"ready": true, ).*'), r"\1…"),
    (re.compile(r"^(  time          )\w.*"), r"\1…"),
    (re.compile(r"^(  tasks +\d+ in ).* [1-9]\d* retries; .*"), r"\1…"),
    (re.compile(r"^(  forecast      .* was said at the start; )it took .*"), r"\1…"),
]
"""What of a run's output is chance, and how a page shows it."""


_OF_A_REHEARSAL = re.compile(r"^$|^mode |^(sequential|standard|max|ultra) |^  ends |^  recommended ")
_FIGURES = re.compile(r"^(\w+(?: +[\d.]+ \w+){4}) .*")


def _core(lines: Sequence[str]) -> list[str]:
    """What of a rehearsal doesn't change with every change of the scheduler."""
    kept = [re.sub(r"(; faults: [\w-]+);.*", r"\1; …", lines[0])]
    for line in lines[1:]:
        if _OF_A_REHEARSAL.match(line):
            kept.append(re.sub(r"^(  recommended    ).*", r"\1…", _FIGURES.sub(r"\1  …", line)))
        elif kept[-1] != ELISION:
            kept.append(ELISION)
    return kept


def abridged(printed: Sequence[str]) -> list[str]:
    """Output as a page shows it: long lines cut, progress in between left out."""
    lines = [line.rstrip() for line in printed]
    if lines and "rehearsals a mode" in lines[0]:
        lines = _core(lines)
    progress = [number for number, line in enumerate(lines) if re.match(r" +\d+\.\ds  ", line)]
    if len(progress) > 1:
        lines[progress[0] + 1 : progress[-1]] = ["    …"]
    for pattern, shown in _CHANCE:
        lines = [pattern.sub(shown, line) for line in lines]
    return [line if len(line) <= _WIDEST else f"{line[: _WIDEST - 1]}{ELISION}" for line in lines]


def _pattern(wanted: Sequence[str]) -> str:
    parts = []
    for line in wanted:
        if line == ELISION:
            parts.append(r"(?:[^\n]*\n)*?")
        else:
            parts.append(r"[^\n]*".join(re.escape(part) for part in line.split(ELISION)) + r"\n")
    return "".join(parts)

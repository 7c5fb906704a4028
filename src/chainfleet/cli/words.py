"""The command line's own words: helps that show what is typed, and ways out that name the fleet as it was typed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperCommand

WITHOUT_STATE = frozenset({"check", "plan"})
"""Commands that take a fleet and no `--state`: they ask nothing of what was deployed."""

_COMMAND = re.compile(r"chainfleet ((?:[a-z][a-z-]* )+)FLEET\b")


@dataclass(slots=True)
class Typed:
    """Which fleet a command was typed for, and where its state is; None until that was read."""

    fleet: Path | None = None
    state: Path | None = None

    def into(self, text: str) -> str:
        """Put it into the commands that a text names, so that they can be copied: `chainfleet retry FLEET` and the like."""
        return _COMMAND.sub(self._command, text) if self.fleet is not None else text

    def _command(self, found: re.Match[str]) -> str:
        words = [str(self.fleet)]
        if self.state is not None and found[1].strip() not in WITHOUT_STATE:
            words += ["--state", str(self.state)]
        return f"chainfleet {found[1]}{shlex.join(words)}"


_TYPED: ContextVar[Typed] = ContextVar("typed")


def begin() -> None:
    """Forget what an earlier command of this process was typed for."""
    _TYPED.set(Typed())


def as_typed(text: str) -> str:
    """A text whose commands name the fleet as the operator did; unchanged where no command line was read."""
    typed = _TYPED.get(None)
    return typed.into(text) if typed else text


def note_fleet(value: Path) -> Path:
    """Take note of the fleet file; a callback of its argument."""
    _TYPED.get(Typed()).fleet = value
    return value


def note_state(value: Path | None) -> Path | None:
    """Take note of the state folder, if one was given; a callback of its option."""
    _TYPED.get(Typed()).state = value
    return value


class Command(TyperCommand):
    """A command whose help says FLEET and NUMBER where Typer's own says `{FLEET}` and `<float range>`."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for param in self.params:
            if param.metavar is None and not getattr(param, "is_flag", False):
                param.metavar = _kind_of(param)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ARG002 - Typer calls it so
        """What stands after the command's name in its usage line."""
        return [self.options_metavar or "", *(str(p.metavar) for p in self.params if _is_argument(p))]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the lists of arguments and options."""
        arguments, options = [], []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None and _is_argument(param):
                arguments.append((str(param.metavar), record[1]))
            elif record is not None:
                options.append(record)
        for title, records in (("Arguments", arguments), ("Options", options)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class CommandLine(typer.Typer):
    """A family of commands that are all of our kind."""

    def command(self, name: str | None = None, **options: Any) -> Callable[[Any], Any]:
        """Add a command; see `typer.Typer.command`."""
        return super().command(name, **{"cls": Command, **options})


_KINDS = {int: "INTEGER", float: "NUMBER", Path: "FILE"}


def _is_argument(param: Any) -> bool:
    return bool(param.param_type_name == "argument")


def _kind_of(param: Any) -> str:
    if not _is_argument(param):
        return _KINDS.get(param.type_descriptor.annotation, "TEXT")
    name = str(param.name).rstrip("_").upper() + ("…" if param.nargs == -1 else "")
    return name if param.required else f"[{name}]"

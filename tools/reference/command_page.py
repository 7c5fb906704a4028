"""The commands, each from its own help, and what exit codes mean."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer
from writing import attribute_docs, code, page, table

from chainfleet.cli.main import app
from chainfleet.model.errors import ExitCode


def command_page() -> str:
    """The page of commands as text."""
    commands = list(_commands("chainfleet", typer.main.get_command(app)))
    intro = (
        "Output is plain when it does not go to a terminal, and `NO_COLOR` is respected. `chainfleet --install-completion` "
        "installs completion for your shell. What commands return is in [exit codes](exit-codes.md)."
    )
    rows = [
        (f"[{code(name.removeprefix('chainfleet '))}](#{_anchor(name)})", _short(c)) for name, c in commands
    ]
    return page(
        "Commands", intro, table(("command", "what it does"), rows), *(_section(*item) for item in commands)
    )


def exit_code_page() -> str:
    """The page of exit codes as text."""
    docs = attribute_docs(ExitCode)
    rows = []
    for exit_code in ExitCode:
        meaning, _, remedy = docs[exit_code.name].partition(". ")
        rows.append((code(int(exit_code)), meaning.rstrip(".").lower(), remedy))
    intro = "Scripts may rely on them: they do not change. `error:` goes to standard error, with the way out below it."
    return page("Exit codes", intro, table(("exit code", "meaning", "what to do"), rows))


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield name, command
        return
    for word, inner in command.commands.items():
        yield from _commands(f"{name} {word}", inner)


def _section(name: str, command: Any) -> str:
    help_text, example = _texts(command)
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in command.params if p.param_type_name == "option" and p.name not in _COMPLETION]
    words = " ".join(["[OPTIONS]"] * bool(options) + [_metavar(p) for p in arguments])
    parts = [f"## {name}", help_text, f"```text\n{name} {words}\n```"]
    if arguments:
        rows = [(code(_metavar(p)), _help(p)) for p in arguments]
        parts.append(table(("argument", "meaning"), rows))
    if options:
        rows = [(_names(p), _default(p), _help(p)) for p in options]
        parts.append(table(("option", "default", "meaning"), rows))
    if example:
        parts.append(f"Example: {code(example)}")
    return "\n\n".join(part for part in parts if part)


_COMPLETION = {"install_completion", "show_completion", "help"}


def _texts(command: Any) -> tuple[str, str]:
    """The help without its example, and the example."""
    text, _, inside = (command.help or "").partition("Example: ")
    outside = (command.epilog or "").partition("Example: ")[2]
    return text.strip(), " ".join((outside or inside).split())


def _short(command: Any) -> str:
    return " ".join(_texts(command)[0].split("\n\n")[0].split())


def _names(param: Any) -> str:
    names = ", ".join([*param.opts, *param.secondary_opts])
    is_flag = getattr(param, "is_flag", False)
    return code(names if is_flag else f"{names} {_metavar(param)}")


def _metavar(param: Any) -> str:
    return str(param.metavar)


def _help(param: Any) -> str:
    text = str(getattr(param, "help", "") or "")
    if not text:
        raise SystemExit(f"{param.name} has no help")
    variable = getattr(param, "envvar", None)
    return text + (f" Also from the variable {code(variable)}." if variable else "")


def _default(param: Any) -> str:
    if param.required:
        return "**required**"
    value = param.default
    if value is None or value in (False, "", []) or callable(value) or "UNSET" in repr(value).upper():
        return ""
    return code(value)


def _anchor(title: str) -> str:
    return re.sub(r"[^a-z0-9-]", "", title.lower().replace(" ", "-"))

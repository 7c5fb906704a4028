"""`chainfleet portal`: starts the portal, a program of its own that the command line knows by name only."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from chainfleet.model.errors import EnvironmentProblem, InputError
from chainfleet.model.variables import Variable

_PROGRAM = "chainfleet.portal.program"


def add_portal(app: typer.Typer) -> None:
    """Add it to the command line."""
    app.command(epilog="Example: chainfleet portal")(portal)


def portal(
    home: Annotated[
        Path, typer.Option("--home", metavar="DIR", help="Folder whose folders are environments.")
    ] = Path(".chainfleet"),
    state: Annotated[
        list[Path] | None,
        typer.Option("--state", metavar="DIR", help="A further state folder to show (repeatable)."),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "localhost",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port; 0 takes a free one.")] = 8138,
    url: Annotated[
        str | None, typer.Option("--url", help="Server mode: the address people use, https://HOST.")
    ] = None,
    certificate: Annotated[
        Path | None, typer.Option("--certificate", help="Server mode: TLS certificate (PEM).")
    ] = None,
    key: Annotated[Path | None, typer.Option("--key", help="Server mode: its key (PEM).")] = None,
    oidc: Annotated[
        Path | None,
        typer.Option("--oidc", metavar="FILE", help="Sign-in by OpenID Connect: settings (JSON)."),
    ] = None,
    ledger: Annotated[
        str | None,
        typer.Option(
            "--ledger",
            metavar="URL",
            envvar=Variable.LEDGER,
            help="Keep the ledgers of environments that are made here in PostgreSQL: postgresql://USER@HOST/DATABASE.",
        ),
    ] = None,
    ui: Annotated[str, typer.Option("--ui", help="Pages to show first: vue or react.")] = "vue",
    verbose: Annotated[bool, typer.Option("--verbose", help="A line of JSON for each request.")] = False,
    new_token: Annotated[
        str | None, typer.Option("--new-token", metavar="NAME", help="Print a new token and stop.")
    ] = None,
    role: Annotated[
        str, typer.Option("--role", help="Of the new token: viewer, operator, approver or admin.")
    ] = "viewer",
    days: Annotated[float, typer.Option("--days", help="How long the new token holds.")] = 30.0,
) -> None:
    """Serve the portal: pages and API over all environments."""
    if ui not in _PAGES:
        raise InputError(f"--ui {ui}: no such pages", way_out=f"one of {', '.join(_PAGES)}")
    program = _program()
    if new_token is not None:
        typer.echo(program.make_token(home, new_token, role, days))
        return
    options = {
        "home": home,
        "states": state or [],
        "host": host,
        "port": port,
        "url": url,
        "certificate": certificate,
        "key": key,
        "oidc": oidc,
        "ui": ui,
        "verbose": verbose,
        "ledger": ledger,
    }
    raise typer.Exit(program.run(**options))


_PAGES = ("vue", "react")


def _program() -> Any:
    try:
        return import_module(_PROGRAM)
    except ModuleNotFoundError as error:
        if error.name and error.name.split(".")[0] == "chainfleet":
            raise
        raise EnvironmentProblem(
            f"the portal needs a package that isn't installed: {error.name}",
            way_out="pip install 'chainfleet[portal]'",
        ) from None

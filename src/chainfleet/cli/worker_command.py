"""`chainfleet worker`: carries out attempts of one pool, on any machine that reaches the database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from chainfleet.model.variables import Variable

from .arguments import EnvFileOpt


def add_worker(app: typer.Typer) -> None:
    """Add it to the command line."""
    app.command(epilog="Example: chainfleet worker --pool default --ledger postgresql://me@db/fleets")(worker)


def worker(
    ledger: Annotated[
        str,
        typer.Option(
            "--ledger", metavar="URL", envvar=Variable.LEDGER, help="Database of the ledgers and workers."
        ),
    ],
    pool: Annotated[str, typer.Option("--pool", help="Whose attempts it takes.")] = "default",
    slots: Annotated[int, typer.Option("--slots", min=1, max=512, help="Attempts at once.")] = 16,
    home: Annotated[
        Path, typer.Option("--home", metavar="DIR", help="Folder whose folders are the state folders.")
    ] = Path(".chainfleet"),
    label: Annotated[
        list[str] | None,
        typer.Option(
            "--label",
            metavar="KEY=VALUE",
            help="What it has (repeatable): cloud=azure|aws|gcp|kubeconfig, reach=inside|outside.",
        ),
    ] = None,
    env_file: EnvFileOpt = None,
    lease: Annotated[
        float,
        typer.Option(
            "--lease", min=1.0, help="Seconds it may be silent until others are given what it does."
        ),
    ] = 10.0,
    grace: Annotated[
        float | None,
        typer.Option("--grace", help="Seconds that what runs may take after SIGTERM; no end if left out."),
    ] = None,
) -> None:
    """Carry out attempts that coordinators hand out. SIGTERM ends what runs and takes nothing new."""
    import asyncio
    import logging

    from chainfleet.ledger.database import postgres_place
    from chainfleet.runtime.distributed.worker import Worker, WorkerOptions

    # Of a line that breaks the worker tells itself, in words and once.
    for library in ("psycopg.pool", "procrastinate"):
        logging.getLogger(library).setLevel(logging.CRITICAL)
    url = postgres_place(ledger, "workers").url
    options = WorkerOptions(url, pool, home, slots, env_file, lease, grace, tuple(label or ()))
    asyncio.run(_serve(Worker, options))


async def _serve(make: type, options: object) -> None:
    await make(options, say=lambda line: typer.echo(line, err=True)).run()

"""Events, commands, and what else a ledger's records hold."""

from __future__ import annotations

import dataclasses
import typing
from enum import EnumType

from writing import attribute_docs, code, first_paragraph, page, table

from chainfleet.ledger.store import Record
from chainfleet.model import environment, event
from chainfleet.model.task import Phase


def event_page() -> str:
    """The page as text."""
    intro = (
        "A ledger is a list of records, the oldest first. `chainfleet export` prints them, a JSON object a line; the portal "
        "streams them; `chainfleet replay` decides them anew. The body of a record of kind `record` or `environment` has a "
        "`type`, one of those below; fields that have their default are left out."
    )
    return page(
        "Events",
        intro,
        f"## A record\n\n{_fields(Record)}",
        "## Events: what the scheduler is told",
        *(_section(cls) for cls in typing.get_args(event.Event)),
        "## Commands: what it asks for",
        *(_section(cls) for cls in typing.get_args(event.Command)),
        "## Of the environment itself",
        *(_section(cls) for cls in typing.get_args(environment.EnvironmentEvent)),
        "## Words",
        _words(event.TaskState, "How a task stands"),
        _words(event.Verdict, "How a region, or the run, ended"),
        _words(Phase, "Phases, in the order that `max` runs them"),
    )


def _section(cls: type) -> str:
    text = first_paragraph(cls.__doc__)
    fields = _fields(cls)
    return f"### {cls.__name__}\n\n{text}" + (f"\n\n{fields}" if fields else "")


def _fields(cls: type) -> str:
    docs = attribute_docs(cls)
    if bare := [f.name for f in dataclasses.fields(cls) if f.name not in docs]:
        raise SystemExit(f"{cls.__module__}.{cls.__name__}: give {', '.join(bare)} a docstring below it")
    rows = [(code(f.name), code(f.type), _default(f), docs[f.name]) for f in dataclasses.fields(cls)]
    return table(("field", "type", "default", "meaning"), rows) if rows else ""


def _default(field: dataclasses.Field[object]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return "empty"
    if field.default is dataclasses.MISSING:
        return ""
    return "empty" if field.default in ("", ()) else code(field.default)


def _words(kind: EnumType, title: str) -> str:
    return f"{title}: {', '.join(code(word.value) for word in kind)}."

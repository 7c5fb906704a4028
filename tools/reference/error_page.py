"""Classes of errors, and the environment's variables."""

from __future__ import annotations

import inspect

from writing import attribute_docs, code, first_paragraph, page, table

from chainfleet.model import errors
from chainfleet.model.errors import ChainfleetError, ErrorClass
from chainfleet.model.variables import Variable


def error_page() -> str:
    """The page of errors as text."""
    docs = attribute_docs(ErrorClass)
    classes = [(code(kind.value), "yes" if kind.retryable else "no", docs[kind.name]) for kind in ErrorClass]
    told = [
        (code(cls.__name__), code(int(cls.exit_code)), first_paragraph(cls.__doc__))
        for _, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, ChainfleetError)
    ]
    return page(
        "Errors",
        "An attempt that fails has one of these classes; `status`, the report, the portal and the metric "
        "`chainfleet_run_failed_attempts_total` tell it. The class decides whether the scheduler tries again by itself, "
        "with full-jitter exponential backoff inside the retry budgets.",
        "## Classes of failed attempts",
        table(("class", "tried again by itself", "meaning, and what to do"), classes),
        "## Errors of commands",
        "Every one is shown as `error:` with what is wrong, its place, and below it the way out. "
        "The API answers them as [problems](problems.md).",
        table(("error", "[exit code](exit-codes.md)", "meaning"), sorted(told, key=lambda row: row[1])),
    )


def environment_page() -> str:
    """The page of environment variables as text."""
    docs = attribute_docs(Variable)
    own = [(code(v.value), docs[v.name]) for v in Variable if v.value.startswith("CHAINFLEET_")]
    others = [(code(v.value), docs[v.name]) for v in Variable if not v.value.startswith("CHAINFLEET_")]
    return page(
        "Environment variables",
        "A fleet file may name any variable as `${NAME}`; these are the ones that chainfleet reads by itself. "
        "Secrets are read at the moment of use and never written down: not to the ledger, a log, an argument list or the portal.",
        "## chainfleet's own",
        table(("variable", "meaning"), own),
        "## Of clouds and tools",
        table(("variable", "meaning"), others),
    )

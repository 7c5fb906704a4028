"""Terraform's machine-readable output (`-json`), one message per line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One error as Terraform reports it.

    Attributes:
        summary: its headline.
        detail: the rest; of a provider's error, the provider's text.
        address: the resource it is about; empty if none.
    """

    summary: str
    detail: str = ""
    address: str = ""


@dataclass(slots=True)
class Output:
    """What a command said, gathered line by line.

    Attributes:
        errors: its errors, in order.
        outputs: values of the root's outputs, if it got that far.
        changed: resources added, changed, imported or removed.
        planned: resources that it set out to change.
        finished: resources that it is done with.
        text: lines that were not messages.
    """

    errors: list[Diagnostic] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    changed: int = 0
    planned: int = 0
    finished: int = 0
    text: list[str] = field(default_factory=list)

    def take(self, line: str) -> str:
        """Take one line; the progress that it means for the live view, empty if none."""
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        if not isinstance(message, dict):
            self.text.append(line)
            return ""
        handler = _HANDLERS.get(str(message.get("type")))
        return handler(self, message) if handler else ""


def _diagnostic(output: Output, message: Mapping[str, Any]) -> str:
    diagnostic = message["diagnostic"]
    if diagnostic.get("severity") == "error":
        output.errors.append(
            Diagnostic(
                diagnostic.get("summary", ""), diagnostic.get("detail", ""), diagnostic.get("address", "")
            )
        )
    return ""


def _outputs(output: Output, message: Mapping[str, Any]) -> str:
    values = message["outputs"]
    # While planning, outputs have an action and no value yet.
    if all("value" in item for item in values.values()):
        output.outputs = {name: item["value"] for name, item in values.items()}
    return ""


def _summary(output: Output, message: Mapping[str, Any]) -> str:
    changes = message["changes"]
    total = sum(int(changes.get(kind, 0)) for kind in ("add", "change", "import", "remove"))
    if changes.get("operation") == "plan":
        output.planned = total
    else:
        output.changed = total
    return ""


def _hook(output: Output, message: Mapping[str, Any]) -> str:
    hook = message["hook"]
    name = str(hook["resource"]["addr"]).removeprefix("azapi_resource.")
    kind, action = message["type"], str(hook.get("action", ""))
    if kind == "apply_complete":
        output.finished += 1
    where = f"{output.finished}/{output.planned} {name}"
    seconds = hook.get("elapsed_seconds")
    if kind == "apply_start":
        return f"{where}: {action}"
    if kind == "apply_progress":
        return f"{where}: {action} {seconds} s"
    return f"{where}: {'failed' if kind == 'apply_errored' else 'done'}"


_HANDLERS = {
    "diagnostic": _diagnostic,
    "outputs": _outputs,
    "change_summary": _summary,
    "apply_start": _hook,
    "apply_progress": _hook,
    "apply_complete": _hook,
    "apply_errored": _hook,
}

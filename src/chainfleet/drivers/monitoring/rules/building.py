"""The two kinds of rules, and how they are written for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Severity = Literal["critical", "warning", "none"]


@dataclass(frozen=True, slots=True)
class Record:
    """A recording rule: a name for an expression that several places use."""

    name: str
    expression: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As a rule file has it."""
        rule: dict[str, Any] = {"record": self.name, "expr": self.expression}
        return {**rule, "labels": dict(self.labels)} if self.labels else rule


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert.

    Attributes:
        name: of the alert, and of its section on the runbook page.
        expression: holds while something is wrong.
        hold_s: how long it must hold, in seconds.
        severity: `critical` wakes somebody, `warning` waits until morning, `none` is no trouble.
        summary: one line, in words and with the numbers of this fleet.
    """

    name: str
    expression: str
    hold_s: float
    severity: Severity
    summary: str

    def to_json(self, runbooks: str) -> dict[str, Any]:
        """As a rule file has it; `runbooks` is the address of the runbook page."""
        rule: dict[str, Any] = {"alert": self.name, "expr": self.expression}
        if self.hold_s:
            rule["for"] = duration(self.hold_s)
        return {
            **rule,
            "labels": {"severity": self.severity},
            "annotations": {"summary": self.summary, "runbook_url": f"{runbooks}#{self.name.lower()}"},
        }


def duration(seconds: float) -> str:
    """Seconds as Prometheus writes a duration, e.g. `90s` or `2m`."""
    whole = max(1, round(seconds))
    return f"{whole // 60}m" if whole % 60 == 0 else f"{whole}s"


def group(name: str, rules: Iterable[Record | Alert], runbooks: str) -> dict[str, Any]:
    """A group of rules; they are evaluated in order, so what records stand on comes first."""
    written = [rule.to_json(runbooks) if isinstance(rule, Alert) else rule.to_json() for rule in rules]
    return {"name": name, "rules": written}


def number(value: float) -> str:
    """A number as an expression has it."""
    return f"{value:g}"

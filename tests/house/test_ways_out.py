"""Every error that is meant for people says what to do about it."""

from __future__ import annotations

import ast
from pathlib import Path

SOURCES = Path(__file__).parents[2] / "src" / "chainfleet"
TOLD = {"InputError", "EnvironmentProblem", "FleetError", "PlanError", "LedgerError", "LeaseLost"}
FINAL = {"CONFIGURATION", "AUTHORISATION", "QUOTA"}
"""Classes of failed attempts that only a person can mend."""


def is_told(call: ast.Call) -> bool:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    final = name == "TaskFailed" and bool(call.args) and ast.unparse(call.args[0]).rpartition(".")[2] in FINAL
    return name in TOLD or final


def test_every_error_has_a_way_out() -> None:
    found, bare = 0, []
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and is_told(node):
                found += 1
                if not any(keyword.arg in ("way_out", None) for keyword in node.keywords):
                    bare.append(f"{path.relative_to(SOURCES)}:{node.lineno}")
    assert found > 200
    assert bare == []

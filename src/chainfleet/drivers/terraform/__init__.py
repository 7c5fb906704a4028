"""Terraform: one root and state per region and stage, applied by `tofu`, `terraform` or the embedded library.

The driver is imported when it is asked for: the embedded Terraform runs from this package and stays small.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .driver import TerraformDriver
    from .tool import Tool, check_tool

__all__ = ["TerraformDriver", "Tool", "check_tool"]

_HOMES = {"TerraformDriver": ".driver", "Tool": ".tool", "check_tool": ".tool"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)

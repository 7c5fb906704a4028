"""Errors as ARM writes them: `{"error": {"code", "message", "details"}}` with a status."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class ArmError(Exception):
    """A request is refused, or an operation failed.

    Attributes:
        status: HTTP status.
        code: ARM's or the resource provider's error code.
        message: what a person reads.
        target: the property at fault, where there is one.
        details: further errors, as ARM nests them.
        headers: further response headers.
    """

    status: int
    code: str
    message: str
    target: str | None = None
    details: Sequence[Mapping[str, Any]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.message}"

    def error(self) -> dict[str, Any]:
        """The inner error object."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.target is not None:
            error["target"] = self.target
        if self.details:
            error["details"] = [dict(detail) for detail in self.details]
        return error

    def body(self) -> dict[str, Any]:
        """The response body."""
        return {"error": self.error()}


def bad_request(code: str, message: str, target: str | None = None) -> ArmError:
    """The request can't be understood or breaks a rule (400)."""
    return ArmError(400, code, message, target=target)


def not_found(resource_type: str, name: str, group: str) -> ArmError:
    """No such resource (404)."""
    return ArmError(
        404,
        "ResourceNotFound",
        f"The Resource '{resource_type}/{name}' under resource group '{group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )


def group_not_found(group: str) -> ArmError:
    """No such resource group (404)."""
    return ArmError(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")

"""Failures as the API server words them: `Status` objects with a reason, a code and causes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .kinds import Kind

Json = dict[str, Any]


class ApiError(Exception):
    """A request that ends in a `Status` of `Failure`.

    Args:
        code: HTTP status.
        reason: the machine-readable reason, e.g. `NotFound`.
        message: for people.
        details: name, group, kind, causes, retryAfterSeconds.
    """

    def __init__(self, code: int, reason: str, message: str, details: Json | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details

    def body(self) -> Json:
        """The `Status` object."""
        status: Json = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if self.details:
            status["details"] = self.details
        status["code"] = self.code
        return status


def _qualified(kind: Kind) -> str:
    return f"{kind.plural}.{kind.group}" if kind.group else kind.plural


def _details(kind: Kind, name: str, causes: Sequence[Json] = ()) -> Json:
    details: Json = {"name": name, "kind": kind.plural}
    if kind.group:
        details["group"] = kind.group
    if causes:
        details["causes"] = list(causes)
    return details


def not_found(kind: Kind, name: str) -> ApiError:
    """404 for an object that isn't there."""
    return ApiError(404, "NotFound", f'{_qualified(kind)} "{name}" not found', _details(kind, name))


def no_such_path() -> ApiError:
    """404 for a path that isn't served."""
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def already_exists(kind: Kind, name: str) -> ApiError:
    """409 for a create of something that exists."""
    return ApiError(409, "AlreadyExists", f'{_qualified(kind)} "{name}" already exists', _details(kind, name))


def stale(kind: Kind, name: str) -> ApiError:
    """409 for a write based on an old resourceVersion."""
    return ApiError(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {_qualified(kind)} "{name}": the object has been modified; '
        "please apply your changes to the latest version and try again",
        _details(kind, name),
    )


def forbidden(kind: Kind, name: str, why: str) -> ApiError:
    """403 for an object that policy refuses."""
    return ApiError(
        403, "Forbidden", f'{_qualified(kind)} "{name}" is forbidden: {why}', _details(kind, name)
    )


def bad_request(message: str) -> ApiError:
    """400 for a request that can't be understood."""
    return ApiError(400, "BadRequest", message)


def invalid(kind: Kind, name: str, causes: Sequence[tuple[str, str, str]]) -> ApiError:
    """422 with one cause per wrong field.

    Args:
        kind: the object's kind.
        name: its name.
        causes: (reason, field, message) each; the message as Kubernetes words it after `field: `.
    """
    listed = [{"reason": reason, "message": message, "field": field} for reason, field, message in causes]
    words = [f"{field}: {message}" for _, field, message in causes]
    text = words[0] if len(words) == 1 else f"[{', '.join(words)}]"
    return ApiError(
        422,
        "Invalid",
        f'{kind.kind}{_dotted(kind)} "{name}" is invalid: {text}',
        _details(kind, name, listed),
    )


def _dotted(kind: Kind) -> str:
    return f".{kind.group}" if kind.group else ""

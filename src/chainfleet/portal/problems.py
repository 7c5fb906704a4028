"""Errors as problem documents (RFC 9457): a stable `type`, what is wrong, and the way out."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from chainfleet.model.errors import (
    ChainfleetError,
    EnvironmentProblem,
    FleetError,
    InputError,
    LeaseLost,
)

MEDIA_TYPE = "application/problem+json"


class ProblemError(Exception):
    """An answer that is an error.

    Args:
        status: HTTP status.
        kind: last part of the problem's `type`.
        detail: one line for people.
        way_out: what can be done.
        errors: single faults (see `models.common.Fault`).
        headers: further headers of the answer.
        current: the present ETag, where a precondition failed.
        retryable: whether the same request may succeed later.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        way_out: str = "",
        errors: list[dict[str, Any]] | None = None,
        headers: dict[str, str] | None = None,
        current: str | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.way_out = way_out
        self.errors = errors or []
        self.headers = headers or {}
        self.current = current
        self.retryable = retryable

    def document(self, request_id: str = "") -> dict[str, Any]:
        """The body of the answer."""
        body: dict[str, Any] = {
            "type": f"/problems/{self.kind}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "way_out": self.way_out,
            "request_id": request_id,
            "retryable": self.retryable,
            "errors": self.errors,
        }
        if self.current is not None:
            body["current"] = self.current
        return body


def not_found(what: str, name: str) -> ProblemError:
    """There is no such thing."""
    return ProblemError(404, f"unknown-{what}", f"no {what} `{name}`")


def from_error(error: ChainfleetError) -> ProblemError:
    """The problem document of an error that is meant for the operator."""
    if isinstance(error, FleetError):
        fault = {
            "detail": error.message,
            "line": error.place.line or None,
            "column": error.place.column or None,
        }
        return ProblemError(
            422,
            "invalid-fleet",
            error.message,
            way_out=error.way_out,
            errors=[{"pointer": "/document", **fault}],
        )
    if isinstance(error, InputError):
        return ProblemError(422, "invalid-input", error.message, way_out=error.way_out)
    if isinstance(error, LeaseLost):
        return ProblemError(409, "busy", error.message, way_out=error.way_out, retryable=True)
    if isinstance(error, EnvironmentProblem):
        return ProblemError(503, "machine-lacks", error.message, way_out=error.way_out, retryable=True)
    return ProblemError(409, "ledger-unusable", error.message, way_out=error.way_out)

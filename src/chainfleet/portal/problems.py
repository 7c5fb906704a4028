"""Errors as problem documents (RFC 9457): a stable `type`, what is wrong, and the way out."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from chainfleet.model.errors import (
    ChainfleetError,
    EnvironmentProblem,
    FleetError,
    InputError,
    LeaseLost,
    LedgerAway,
)

MEDIA_TYPE = "application/problem+json"

KINDS: Mapping[str, tuple[int, str]] = {
    "archived": (409, "the environment is put away; restore it first"),
    "body-too-large": (413, "the body is larger than 1 MiB"),
    "busy": (409, "a process works on the environment; wait until its run ends, or cancel it"),
    "changed-meanwhile": (
        412,
        "somebody changed it since you read it; read it again and put your change on top",
    ),
    "fleet-changed": (
        409,
        "the environment has another revision than the run; deploy anew, what exists is adopted",
    ),
    "foreign-cursor": (400, "the cursor is of another list, of other filters, or not of this server"),
    "foreign-host": (421, "the Host header names another server"),
    "foreign-origin": (403, "a page of another origin asked"),
    "if-match-missing": (428, "a change needs the ETag it is based on"),
    "invalid-fleet": (422, "the fleet's document is wrong; `errors` has line and column"),
    "invalid-input": (422, "a value can't be used; `detail` says which and why"),
    "invalid-request": (
        422,
        "the request is not as the OpenAPI document declares it; `errors` has the places",
    ),
    "issuer-unreachable": (503, "the OpenID Connect issuer does not answer"),
    "key-used": (422, "the Idempotency-Key came with another request before"),
    "ledger-away": (
        503,
        "the database that holds the environment's ledger can't be reached; runs go on without the portal",
    ),
    "ledger-unusable": (409, "the environment's ledger is damaged, of another fleet, or of a newer version"),
    "locked": (409, "the environment is locked; unlock it first"),
    "machine-lacks": (503, "the server's machine lacks a tool, a port, disk space or a permission"),
    "malformed-json": (400, "the body is not JSON"),
    "malformed-request": (400, "the request can't be read"),
    "malformed-sequence": (400, "`since` is not an `id` of this stream"),
    "method-not-allowed": (405, "the path knows other methods; see `Allow`"),
    "mistake": (500, "a mistake of the server; its log tells more, under the request's id"),
    "name-taken": (409, "there is an environment of that name"),
    "no-document": (409, "the ledger holds no document of the environment; change it and send one"),
    "no-issuer": (409, "no OpenID Connect issuer is configured"),
    "no-plan": (404, "the run has no plan yet"),
    "no-role": (403, "the issuer's groups give you no role here"),
    "no-such-gate": (409, "that gate does not wait for a person"),
    "no-such-path": (404, "nothing answers under that path"),
    "not-confirmed": (422, "`confirm` is not the fleet's name"),
    "not-json": (415, "bodies are `application/json`"),
    "not-now": (409, "the run's state does not allow that; see its `allowed`"),
    "not-rotatable": (409, "sessions are not rotated; revoke them"),
    "not-signed-in": (401, "the token is missing, wrong, expired or revoked"),
    "not-the-last": (409, "only an environment's last run can be gone on with"),
    "nothing-deployed": (409, "nothing was deployed yet"),
    "nothing-failed": (409, "nothing of what was named has failed"),
    "other-fleet": (422, "the environment is of another fleet; keep its name"),
    "read-only": (403, "the portal is read-only now; an admin can change that"),
    "reason-missing": (422, "approving against a check needs a reason"),
    "role-too-low": (403, "your role does not allow that"),
    "secret-not-repeated": (409, "it was done before; its secret is shown once only"),
    "sign-in-refused": (403, "the issuer refused, or what it says can't be trusted"),
    "still-at-work": (409, "the first request with this Idempotency-Key is still at work"),
    "too-many-requests": (429, "you ask too often; see `Retry-After`"),
    "too-many-streams": (503, "too many open streams of one token, or the server stops"),
    "unknown-environment": (404, "there is no such environment, or your token does not see it"),
    "unknown-log": (404, "that attempt has no log"),
    "unknown-login": (400, "the sign-in is not known, was used, or took too long"),
    "unknown-problem": (404, "nobody knows that kind of problem"),
    "unknown-region": (404, "nobody knows that region"),
    "unknown-revision": (404, "the environment has no such revision"),
    "unknown-run": (404, "the environment has no such run"),
    "unknown-sequence": (410, "the ledger has no such record; read the run anew and stream from its `seq`"),
    "unknown-task": (404, "the run has no such task"),
    "unknown-token": (404, "there is no such token"),
    "unsafe-fleet": (422, "the chain's rules forbid this fleet; `errors` says why"),
}
"""Every kind of problem: its status, and what it means. Kinds are never renamed; the documentation has the same table."""


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


def ledger_away(detail: str, way_out: str = "check that its database can be reached") -> ProblemError:
    """The ledger can't be asked now."""
    return ProblemError(
        503, "ledger-away", detail, way_out=way_out, headers={"Retry-After": "5"}, retryable=True
    )


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
    if isinstance(error, LedgerAway):
        return ledger_away(error.message, error.way_out)
    if isinstance(error, EnvironmentProblem):
        return ProblemError(503, "machine-lacks", error.message, way_out=error.way_out, retryable=True)
    return ProblemError(409, "ledger-unusable", error.message, way_out=error.way_out)

"""Shapes that every area shares: problem documents and pages of lists."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from chainfleet.model.fleet_parts import Name

T = TypeVar("T")

EnvironmentName = Name
RunName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$")]
TaskId = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Reason = Annotated[str, StringConstraints(max_length=500, strip_whitespace=True)]
Wall = Annotated[float, Field(description="Seconds since 1970, of the server's clock.")]
At = Annotated[float, Field(description="Seconds on the run's own axis.")]
Sequence = Annotated[int, Field(ge=0, description="Place in the environment's ledger, counted from 1.")]


class Given(BaseModel):
    """Base of what callers send: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Told(BaseModel):
    """Base of what the API answers."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class Fault(Told):
    """One thing that is wrong with what was sent."""

    detail: str
    """What is wrong, in one line."""
    pointer: str = Field("", description="JSON Pointer into the body, where the body is JSON.")
    line: int | None = Field(None, description="Line in the YAML, counted from 1.")
    column: int | None = Field(None, description="Column in the YAML, counted from 1.")


class Problem(Told):
    """An error, as `application/problem+json` (RFC 9457)."""

    type: str = Field(description="Stable name of the kind of problem: `/problems/NAME`.")
    title: str
    """The status in words."""
    status: int
    """HTTP status of the answer."""
    detail: str = ""
    """What is wrong, in one line."""
    way_out: str = Field("", description="What can be done about it.")
    request_id: str = ""
    """Names the request in the server's log."""
    retryable: bool = Field(False, description="Whether the same request may succeed later.")
    errors: list[Fault] = []
    """What is wrong, each with its place."""
    current: str | None = Field(None, description="The present ETag, where a precondition failed.")


class Page(Told, Generic[T]):
    """One page of a list."""

    items: list[T]
    """Those of this page."""
    next: str | None = Field(None, description="Cursor of the next page; null on the last one.")
    total: int | None = Field(None, description="How many there are in all, where that is known.")

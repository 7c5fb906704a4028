"""Parameters that many routes share."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Path, Query

from ..models.common import EnvironmentName, RunName

EnvironmentPath = Annotated[EnvironmentName, Path(description="Name of the environment.")]
RunPath = Annotated[RunName, Path(description="Name of the run.")]
Limit = Annotated[int, Query(ge=1, le=500, description="Most items on a page.")]
Cursor = Annotated[str | None, Query(max_length=2000, description="`next` of the page before.")]
IfMatch = Annotated[str | None, Header(description="ETag that the change is based on.", max_length=200)]
IfNoneMatch = Annotated[str | None, Header(description="ETag that is known already.", max_length=2000)]
IdempotencyKey = Annotated[
    str | None,
    Header(
        description="Any text of 8 to 200 characters: the same key does a thing once.",
        min_length=8,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
    ),
]
Since = Annotated[int, Query(ge=0, le=2**53, description="Only what comes after this sequence number.")]

"""The live stream: the ledger's own records, in batches, resumable at every record."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from ..models.common import EnvironmentName
from ..models.runs import EventPage
from ..permissions import Permission
from ..problems import ProblemError
from .declaring import route
from .parameters import EnvironmentPath, Since

router = APIRouter(tags=["events"])


@route(
    router,
    "GET",
    "/events",
    permission=Permission.READ,
    problems=(404, 410, 503),
    response_class=Response,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def stream_events(
    environment: Annotated[list[EnvironmentName], Query(min_length=1, max_length=20)],
    since: Annotated[
        str | None, Query(max_length=2000, description="An `id` of the stream; live if left out.")
    ] = None,
    last_event_id: Annotated[str | None, Header(max_length=2000)] = None,
) -> Response:
    """Server-sent events of one or more environments. See the contract for the frames."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "GET", "/environments/{environment}/events", permission=Permission.READ, problems=(404, 410))
async def list_environment_events(
    environment: EnvironmentPath,
    since: Since = 0,
    limit: Annotated[int, Query(ge=1, le=5000)] = 500,
) -> EventPage:
    """The same records page by page, where a stream is not possible."""
    raise ProblemError(501, "not-done", "not done yet")

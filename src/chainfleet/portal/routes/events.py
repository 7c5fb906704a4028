"""The live stream: the ledger's own records, in batches, resumable at every record."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Header, Query, Response

from ..models.common import EnvironmentName
from ..models.run_parts import EventPage
from ..permissions import Permission
from ..problems import ProblemError
from ..runs.events import events_page
from .declaring import new_router, route
from .dependencies import Caller, DeskHere, PortalHere
from .parameters import Since

router = new_router("events")


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
    portal: PortalHere,
    caller: Caller,
    environment: Annotated[
        list[EnvironmentName], Query(min_length=1, max_length=20, description="Names (repeatable).")
    ],
    since: Annotated[
        str | None, Query(max_length=2000, description="An `id` of the stream; live if left out.")
    ] = None,
    last_event_id: Annotated[
        str | None, Header(max_length=2000, description="The `id` seen last; counts more than `since`.")
    ] = None,
) -> Response:
    """Server-sent events of one or more environments. See the contract for the frames."""
    names = list(dict.fromkeys(environment))
    desks = [await asyncio.to_thread(portal.registry.desk, name, caller) for name in names]
    ledgers = {desk.name: desk.state.ledger for desk in desks}
    # What the browser says it has seen counts more than what it was once told to begin with.
    return await portal.streams.open(ledgers, last_event_id or since, caller)


@route(router, "GET", "/environments/{environment}/events", permission=Permission.READ, problems=(404, 410))
def list_environment_events(
    desk: DeskHere,
    since: Since = 0,
    limit: Annotated[int, Query(ge=1, le=5000, description="Most records.")] = 500,
) -> EventPage:
    """The same records page by page, where a stream is not possible."""
    head = desk.ledger.head()
    if since > head:
        raise ProblemError(
            410,
            "unknown-sequence",
            f"there is no record {since}; the last one is {head}",
            way_out="begin anew",
        )
    return events_page(desk, run=None, since=since, limit=limit)

"""Records of the ledger page by page: for replay, and where a stream is not possible."""

from __future__ import annotations

import json

from chainfleet.ledger.store import Record

from ..batches import told
from ..environments.desk import Desk
from ..models.run_parts import EventPage, EventView


def event_view(environment: str, record: Record) -> EventView:
    """A record as the stream tells it."""
    return EventView(**json.loads(told(environment, record)))


def events_page(
    desk: Desk,
    *,
    run: str | None,
    since: int,
    limit: int,
    region: str | None = None,
    type_: str | None = None,
) -> EventPage:
    """Records after a place; filters leave records out, `next` goes on behind what was looked at."""
    head = desk.ledger.head()
    records = desk.ledger.records(after=since, until=head, run=run, limit=limit)
    following = records[-1].seq if len(records) == limit else max(since, head)
    events = [event_view(desk.name, record) for record in records]
    if region is not None and run is not None:
        tasks = {task.id for task in desk.book(run).view.tasks.values() if task.region == region}
        events = [event for event in events if event.subject in tasks]
    if type_ is not None:
        events = [event for event in events if event.event.get("type") == type_]
    return EventPage(events=events, head=head, next=following)

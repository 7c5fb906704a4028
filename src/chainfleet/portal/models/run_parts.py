"""What a run consists of: its tasks and graph, attempts in time, lines of logs, records."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from chainfleet.model.event import TaskState
from chainfleet.model.task import LimitKind, Mode, Phase, TaskKind

from .common import At, Sequence, TaskId, Told, Wall


class TaskView(Told):
    """One task of a run."""

    id: TaskId
    """Id of the task."""
    phase: Phase
    """The phase."""
    kind: TaskKind
    """Work, barrier or gate."""
    region: str | None = None
    """The region; null for the network as a whole."""
    wave: int | None = None
    """Index of its wave, from 0; null where there are none."""
    state: TaskState
    """How it stands."""
    reason: str = ""
    """Why, where that isn't plain."""
    attempts: int = 0
    """Attempts made."""
    since_at: At = 0.0
    retry_at: At | None = None
    seconds: float = Field(0.0, description="Duration of the last attempt so far.")
    median_s: float = Field(0.0, description="Expected duration of an attempt.")


class PlanNode(Told):
    """One task of a plan with its place in a drawing of the graph."""

    id: TaskId
    """Id of the task."""
    phase: Phase
    """The phase."""
    kind: TaskKind
    """Work, barrier or gate."""
    region: str | None = None
    """The region; null for the network as a whole."""
    wave: int | None = None
    """Index of its wave, from 0; null where there are none."""
    needs: list[TaskId] = []
    """Tasks that must have succeeded first."""
    after: list[TaskId] = []
    """Tasks that must be over first, however they ended."""
    at_least: int | None = None
    """Sum of weights among `needs` that suffices; null means all must succeed."""
    median_s: float = 0.0
    """Seconds that an attempt is expected to take."""
    layer: int = Field(description="Column in a drawing: longest path from the start, in tasks.")
    place: int = Field(description="Row in that column.")


class LimitOfPlan(Told):
    """A limit that the plan's tasks draw from."""

    name: str
    """Name of the limit."""
    kind: LimitKind
    """How it is drawn from."""
    capacity: float
    """Slots, burst tokens or MiB; see `kind`."""
    rate_per_s: float = 0.0
    """Refill of a token bucket, in tokens per second."""


class PlanView(Told):
    """A plan as a graph."""

    fleet: str
    """Name of the fleet."""
    revision: str
    """Fingerprint of the fleet that it was made from."""
    mode: Mode
    """Which edges and ceilings the plan gets."""
    waves: list[list[str]]
    """Regions of each wave."""
    limits: list[LimitOfPlan]
    """Limits that its tasks draw from."""
    nodes: list[PlanNode]
    """Its tasks."""
    edges: int
    """How many edges the graph has."""
    lower_bound_s: float = Field(description="No run of this plan can be faster.")
    bound_by: str
    """What that bound comes from."""
    command: str = ""
    """The command that does the same."""


class SpanView(Told):
    """One attempt in time."""

    task: TaskId
    """Id of the task."""
    region: str | None = None
    """The region; null for the network as a whole."""
    phase: Phase
    """The phase."""
    attempt: int
    """Number of the attempt, counted from 1."""
    start: At
    end: At | None = None
    ok: bool = False
    """Whether it ended well."""
    changed: bool = False
    """Whether it changed anything; false where all was right already."""
    error: str = ""
    """What went wrong, in one line; empty where nothing did."""
    error_class: str = ""
    """Class of the error, see the reference."""
    critical: bool = Field(False, description="Whether it lies on the critical path.")


class SpansView(Told):
    """The Gantt chart's data."""

    seq: Sequence
    last_at: At
    spans: list[SpanView]
    """Attempts, oldest first."""
    critical: list[TaskId] = Field(
        description="The chain of tasks that determined the end so far, first to last."
    )


class LogLine(Told):
    """One line of a log."""

    task: TaskId
    """Id of the task."""
    attempt: int
    """Number of the attempt, counted from 1."""
    number: int
    """Number of the line, from 1."""
    text: str
    """The line."""


class LogPage(Told):
    """Lines of a log."""

    lines: list[LogLine]
    """Lines, oldest first."""
    next: str | None = None
    """Where the next lines begin; null where there are none yet."""
    over: bool = Field(description="Whether the attempt is over, so that nothing will follow.")
    attempts: list[int] = []
    """Numbers of attempts that have a log."""


class EventView(Told):
    """One record of the ledger, as on the stream."""

    environment: str
    """Name of the environment."""
    seq: Sequence
    run: str = Field(description="Empty for what concerns the environment and no run.")
    at: At
    wall: Wall
    kind: Literal["record", "outputs", "note", "request", "environment"]
    """What sort of record it is."""
    subject: str = Field("", description="Task id, or what a note is about.")
    event: dict[str, Any] = Field(
        description="For kind `record`: `type` and the fields of the ledger's record."
    )


class EventPage(Told):
    """Records after a sequence number."""

    events: list[EventView]
    """Records, oldest first."""
    head: Sequence
    next: Sequence = Field(description="Ask on with `since` set to this.")

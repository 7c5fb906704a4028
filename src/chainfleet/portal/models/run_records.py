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
    phase: Phase
    kind: TaskKind
    region: str | None = None
    wave: int | None = None
    state: TaskState
    reason: str = ""
    attempts: int = 0
    since_at: At = 0.0
    retry_at: At | None = None
    seconds: float = Field(0.0, description="Duration of the last attempt so far.")
    median_s: float = Field(0.0, description="Expected duration of an attempt.")


class PlanNode(Told):
    """One task of a plan with its place in a drawing of the graph."""

    id: TaskId
    phase: Phase
    kind: TaskKind
    region: str | None = None
    wave: int | None = None
    needs: list[TaskId] = []
    after: list[TaskId] = []
    at_least: int | None = None
    median_s: float = 0.0
    layer: int = Field(description="Column in a drawing: longest path from the start, in tasks.")
    place: int = Field(description="Row in that column.")


class LimitOfPlan(Told):
    """A limit that the plan's tasks draw from."""

    name: str
    kind: LimitKind
    capacity: float
    rate_per_s: float = 0.0


class PlanView(Told):
    """A plan as a graph."""

    fleet: str
    revision: str
    mode: Mode
    waves: list[list[str]]
    limits: list[LimitOfPlan]
    nodes: list[PlanNode]
    edges: int
    lower_bound_s: float = Field(description="No run of this plan can be faster.")
    bound_by: str
    command: str = ""


class SpanView(Told):
    """One attempt in time."""

    task: TaskId
    region: str | None = None
    phase: Phase
    attempt: int
    start: At
    end: At | None = None
    ok: bool = False
    changed: bool = False
    error: str = ""
    error_class: str = ""
    critical: bool = Field(False, description="Whether it lies on the critical path.")


class SpansView(Told):
    """The Gantt chart's data."""

    seq: Sequence
    last_at: At
    spans: list[SpanView]
    critical: list[TaskId] = Field(
        description="The chain of tasks that determined the end so far, first to last."
    )


class LogLine(Told):
    """One line of a log."""

    task: TaskId
    attempt: int
    number: int
    text: str


class LogPage(Told):
    """Lines of a log."""

    lines: list[LogLine]
    next: str | None = None
    over: bool = Field(description="Whether the attempt is over, so that nothing will follow.")
    attempts: list[int] = []


class EventView(Told):
    """One record of the ledger, as on the stream."""

    environment: str
    seq: Sequence
    run: str = Field(description="Empty for what concerns the environment and no run.")
    at: At
    wall: Wall
    kind: Literal["record", "outputs", "note", "request", "environment"]
    subject: str = Field("", description="Task id, or what a note is about.")
    event: dict[str, Any] = Field(
        description="For kind `record`: `type` and the fields of the ledger's record."
    )


class EventPage(Told):
    """Records after a sequence number."""

    events: list[EventView]
    head: Sequence
    next: Sequence = Field(description="Ask on with `since` set to this.")

"""Runs: what is done, how it stands, and what can be asked of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from chainfleet.model.event import TaskState, Verdict
from chainfleet.model.task import LimitKind, Mode, Phase
from chainfleet.scheduling.observing import BottleneckKind

from .common import At, Given, Reason, RunName, Sequence, TaskId, Told, Wall
from .run_records import EventView, PlanView, SpansView

Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class RunKind(StrEnum):
    """What a run is for."""

    DEPLOY = "deploy"
    VERIFY = "verify"
    DESTROY = "destroy"
    OTHER = "other"


class RunState(StrEnum):
    """Where a run stands."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    INTERRUPTED = "interrupted"
    """Not over, and no process works on it: `resume` goes on."""
    FINISHED = "finished"


class RunAction(StrEnum):
    """What can be asked of a run."""

    PAUSE = "pause"
    RESUME = "resume"
    CANCEL = "cancel"
    RETRY = "retry"
    APPROVE = "approve"
    REFUSE = "refuse"
    DRAIN = "drain"
    """Let what runs end, then stop."""
    SKIP = "skip"
    """Take one task for done."""


class PolicyGiven(Given):
    """How to roll out; what is left out stays as the fleet declares it."""

    mode: Mode | None = None
    waves: Annotated[str, StringConstraints(max_length=2000)] | None = Field(
        None, description="Sizes of the waves: `8,16` or `25%,75%` or names joined by `+`."
    )
    only: list[Word] = Field([], max_length=200, description="Only these phases, regions or task patterns.")
    skip: list[Word] = Field([], max_length=200, description="Leave these out.")
    start: Phase | None = Field(None, description="Start at this phase.")
    ceilings: dict[Phase, Annotated[int, Field(ge=1, le=10_000)]] = {}


class RunGiven(PolicyGiven):
    """A run to start."""

    kind: Literal["deploy", "verify", "destroy"]
    approval: bool = Field(False, description="Gates between waves wait for a person's approval.")
    confirm: Annotated[str, StringConstraints(max_length=100)] | None = Field(
        None, description="For `destroy`: the fleet's name."
    )
    reason: Reason = ""


class ActionGiven(Given):
    """Something asked of a run."""

    tasks: list[Word] = Field(
        [],
        max_length=500,
        description="For retry: phases, regions or task patterns; all that failed if empty.",
    )
    gate: TaskId | None = Field(None, description="For approve and refuse: the gate's task id.")
    reason: Reason = ""


class ActionTaken(Told):
    """That an action was handed on."""

    environment: str
    run: str
    action: RunAction
    seq: Sequence = Field(description="Place of the request in the ledger.")
    command: str = Field(description="The command that does the same.")
    curl: str = Field(description="The request that does the same; `$TOKEN` stands for the token.")


class RunSummary(Told):
    """A run as lists show it."""

    environment: str
    run: RunName
    kind: RunKind
    state: RunState
    verdict: Verdict | None = None
    mode: Mode | None = None
    revision: str = Field("", description="Fingerprint of the fleet it was planned from.")
    environment_revision: int = Field(0, description="Number of the environment's revision that it is of.")
    by: str = Field("", description="Who started it; empty where the command line did.")
    reason: str = ""
    began_wall: Wall
    last_wall: Wall
    elapsed_s: At
    tasks: dict[TaskState, int] = {}
    regions: dict[str, int] = Field(
        {}, description="Regions by how they stand: done, running, failed, waiting."
    )
    retries: int = 0
    throttled: int = Field(0, description="Calls that were answered 429.")
    seq: Sequence
    allowed: list[RunAction] = Field([], description="What the caller may ask of it now.")


class Cell(Told):
    """A region and phase: the most telling state of its tasks."""

    state: TaskState
    since_at: At
    tasks: dict[TaskState, int]
    attempts: int
    reason: str = ""


class RegionRow(Told):
    """One line of the matrix."""

    region: str
    cloud: str = ""
    wave: int | None = None
    verdict: Verdict | None = None
    cells: dict[Phase, Cell]


class Gate(Told):
    """A gate between two waves."""

    task: TaskId
    state: TaskState
    since_at: At
    approved: bool | None = Field(None, description="The decision; null while there is none.")
    by: str = ""
    reason: str = ""
    evidence: str = Field("", description="What the check of the wave found.")
    needs_person: bool = False


class ErrorCluster(Told):
    """Tasks that failed alike: one cause, shown once."""

    fingerprint: str
    error_class: str
    message: str
    tasks: list[TaskId]
    regions: list[str]
    retryable: bool = Field(description="Whether these tasks stand failed and can be tried again.")


class Straggler(Told):
    """A region much slower than its peers in the same step."""

    task: TaskId
    region: str
    seconds: float
    median_s: float
    factor: float
    running: bool


class LimitState(Told):
    """One limit at a moment."""

    name: str
    kind: LimitKind
    capacity: float
    current: float = Field(description="What it is lowered or raised to now.")
    in_use: float
    waiting: int = Field(description="Ready tasks that wait for it.")
    throttled: int = 0
    closed_s: float = Field(0.0, description="Seconds it stays closed by a Retry-After.")
    headroom: float = Field(description="Share that is free, 0 to 1.")


class Binding(Told):
    """What the run waits for."""

    kind: BottleneckKind
    name: str = ""
    text: str = ""
    waiting: int = 0


class Outlook(Told):
    """What the coordinator last said of its limits and its end."""

    at: At
    wall: Wall
    remaining_s: float
    binding: Binding
    limits: list[LimitState]
    running: int
    ready: int


class Ends(Told):
    """When a run will end: eight of ten times in that range."""

    low_s: At
    p50_s: At
    high_s: At


class RunDetail(RunSummary):
    """A run with everything the page needs at first sight; what follows comes by events after `seq`."""

    sentence: str = Field(description="How it stands, in one sentence.")
    phases: list[Phase]
    rows: list[RegionRow]
    network: dict[Phase, Cell] = Field(description="Tasks that belong to no region.")
    waves: list[list[str]] = []
    gates: list[Gate] = []
    clusters: list[ErrorCluster] = []
    stragglers: list[Straggler] = []
    incidents: list[str] = []
    outlook: Outlook | None = None
    ends: Ends | None = Field(None, description="When it will end, while it goes on.")
    outputs: dict[str, Any] = Field({}, description="What the network's verification found.")
    command: str = Field("", description="The command that starts such a run.")


class PhaseComparison(Told):
    """One region and phase in two runs."""

    region: str | None
    phase: Phase
    a_s: float | None
    b_s: float | None
    a_state: TaskState | None = None
    b_state: TaskState | None = None


class RunComparison(Told):
    """Two runs side by side."""

    a: RunSummary
    b: RunSummary
    phases: list[PhaseComparison]
    only_a: list[TaskId]
    only_b: list[TaskId]


class RunExport(Told):
    """Everything the one-file offline page needs of a run."""

    exported_wall: Wall
    version: str
    run: RunDetail
    plan: PlanView
    spans: SpansView
    events: list[EventView]

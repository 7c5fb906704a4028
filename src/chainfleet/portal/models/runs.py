"""Runs: what is done, how it stands, and what can be asked of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from chainfleet.model.event import TaskState, Verdict
from chainfleet.model.task import LimitKind, Mode, Phase
from chainfleet.scheduling.observing import BottleneckKind

from .common import At, Given, Reason, RunName, Sequence, TaskId, Told, Wall
from .run_parts import EventView, PlanView, SpansView

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
    """Which edges and ceilings the plan gets."""
    waves: Annotated[str, StringConstraints(max_length=2000)] | None = Field(
        None, description="Sizes of the waves: `8,16` or `25%,75%` or names joined by `+`."
    )
    only: list[Word] = Field([], max_length=200, description="Only these phases, regions or task patterns.")
    skip: list[Word] = Field([], max_length=200, description="Leave these out.")
    start: Phase | None = Field(None, description="Start at this phase.")
    ceilings: dict[Phase, Annotated[int, Field(ge=1, le=10_000)]] = {}
    """How many tasks of a phase may run at once, by phase."""


class RunGiven(PolicyGiven):
    """A run to start."""

    kind: Literal["deploy", "verify", "destroy"]
    """What the run is for."""
    approval: bool = Field(False, description="Gates between waves wait for a person's approval.")
    confirm: Annotated[str, StringConstraints(max_length=100)] | None = Field(
        None, description="For `destroy`: the fleet's name."
    )
    reason: Reason = ""
    """Why; it is kept in the audit log."""


class ActionGiven(Given):
    """Something asked of a run."""

    tasks: list[Word] = Field(
        [],
        max_length=500,
        description="For retry: phases, regions or task patterns; all that failed if empty.",
    )
    gate: TaskId | None = Field(None, description="For approve and refuse: the gate's task id.")
    reason: Reason = ""
    """Why; it is kept in the audit log."""


class ActionTaken(Told):
    """That an action was handed on."""

    environment: str
    """Name of the environment."""
    run: str
    """Name of the run."""
    action: RunAction
    """What was asked."""
    seq: Sequence = Field(description="Place of the request in the ledger.")
    command: str = Field(description="The command that does the same.")
    curl: str = Field(description="The request that does the same; `$TOKEN` stands for the token.")


class RunSummary(Told):
    """A run as lists show it."""

    environment: str
    """Name of the environment."""
    run: RunName
    """Name of the run."""
    kind: RunKind
    """What the run is for."""
    state: RunState
    """How it stands."""
    verdict: Verdict | None = None
    """How it ended; null while it goes on."""
    mode: Mode | None = None
    """Which edges and ceilings the plan gets."""
    revision: str = Field("", description="Fingerprint of the fleet it was planned from.")
    environment_revision: int = Field(0, description="Number of the environment's revision that it is of.")
    by: str = Field("", description="Who started it; empty where the command line did.")
    reason: str = ""
    """How many tasks ended how."""
    began_wall: Wall
    last_wall: Wall
    elapsed_s: At
    tasks: dict[TaskState, int] = {}
    """Tasks by state."""
    regions: dict[str, int] = Field(
        {}, description="Regions by how they stand: done, running, failed, waiting."
    )
    retries: int = 0
    """Attempts beyond tasks' first."""
    throttled: int = Field(0, description="Calls that were answered 429.")
    seq: Sequence
    allowed: list[RunAction] = Field([], description="What the caller may ask of it now.")


class Cell(Told):
    """A region and phase: the most telling state of its tasks."""

    state: TaskState
    """How it stands."""
    since_at: At
    tasks: dict[TaskState, int]
    """Its tasks by state."""
    attempts: int
    """Attempts made, of all its tasks together."""
    reason: str = ""
    """Why, where that isn't plain."""


class RegionRow(Told):
    """One line of the matrix."""

    region: str
    """The region."""
    cloud: str = ""
    """azure, aws, gcp or kubeconfig."""
    wave: int | None = None
    """Index of its wave, from 0; null where there are none."""
    verdict: Verdict | None = None
    """How it ended; null while it goes on."""
    cells: dict[Phase, Cell]
    """How each phase stands there."""


class Gate(Told):
    """A gate between two waves."""

    task: TaskId
    """Id of the task."""
    state: TaskState
    """Whether it waits, is open, or was refused."""
    since_at: At
    approved: bool | None = Field(None, description="The decision; null while there is none.")
    by: str = ""
    """Who decided; empty while it waits, or where a check did."""
    reason: str = ""
    """What the check found, or why it was decided so."""
    evidence: str = Field("", description="What the check of the wave found.")
    needs_person: bool = False
    """Whether a person has to decide."""


class ErrorCluster(Told):
    """Tasks that failed alike: one cause, shown once."""

    fingerprint: str
    """Equal for failures with the same cause."""
    error_class: str
    """Class of the error, see the reference."""
    message: str
    """One line for the operator."""
    tasks: list[TaskId]
    """Ids of the tasks that have it."""
    regions: list[str]
    """Regions that have it."""
    retryable: bool = Field(description="Whether these tasks stand failed and can be tried again.")


class Straggler(Told):
    """A region much slower than its peers in the same step."""

    task: TaskId
    """Id of the task."""
    region: str
    """The region."""
    seconds: float
    """Seconds that it took, or has taken so far."""
    median_s: float
    """Seconds that half of its twins took at most."""
    factor: float
    """How many times as long as its twins."""
    running: bool
    """Whether it still goes on."""


class LimitState(Told):
    """One limit at a moment."""

    name: str
    """Name of the limit."""
    kind: LimitKind
    """How it is drawn from."""
    capacity: float
    """Slots, burst tokens or MiB; see `kind`."""
    current: float = Field(description="What it is lowered or raised to now.")
    in_use: float
    """How much is drawn now, in units of the capacity."""
    waiting: int = Field(description="Ready tasks that wait for it.")
    throttled: int = 0
    """Calls answered 429."""
    closed_s: float = Field(0.0, description="Seconds it stays closed by a Retry-After.")
    headroom: float = Field(description="Share that is free, 0 to 1.")


class Binding(Told):
    """What the run waits for."""

    kind: BottleneckKind
    """What sort of constraint it is."""
    name: str = ""
    """Name of the limit, task or phase."""
    text: str = ""
    """In words."""
    waiting: int = 0
    """Tasks that wait for it."""


class Outlook(Told):
    """What the coordinator last said of its limits and its end."""

    at: At
    wall: Wall
    remaining_s: float
    """Seconds to the end, as it looks now."""
    binding: Binding
    """What binds the run now."""
    limits: list[LimitState]
    """Limits by how much is drawn."""
    running: int
    """Attempts under way."""
    ready: int
    """Tasks that could start and wait for a limit."""


class Ends(Told):
    """When a run will end: eight of ten times in that range."""

    low_s: At
    p50_s: At
    high_s: At


class RunDetail(RunSummary):
    """A run with everything the page needs at first sight; what follows comes by events after `seq`."""

    sentence: str = Field(description="How it stands, in one sentence.")
    phases: list[Phase]
    """Phases that the plan has tasks of, in order."""
    rows: list[RegionRow]
    """A row for each region."""
    network: dict[Phase, Cell] = Field(description="Tasks that belong to no region.")
    waves: list[list[str]] = []
    """Regions of each wave."""
    gates: list[Gate] = []
    """Gates between waves."""
    clusters: list[ErrorCluster] = []
    """Failures with the same cause, each once."""
    stragglers: list[Straggler] = []
    """Tasks that take much longer than their twins."""
    incidents: list[str] = []
    """What several twins had in common, or a budget that was used up."""
    outlook: Outlook | None = None
    """When it will end and what binds it, while it goes on."""
    ends: Ends | None = Field(None, description="When it will end, while it goes on.")
    outputs: dict[str, Any] = Field({}, description="What the network's verification found.")
    command: str = Field("", description="The command that starts such a run.")


class PhaseComparison(Told):
    """One region and phase in two runs."""

    region: str | None
    """The region; null for the network as a whole."""
    phase: Phase
    """The phase."""
    a_s: float | None
    """Seconds that it took in the first."""
    b_s: float | None
    """Seconds that it took in the second."""
    a_state: TaskState | None = None
    """How it ended in the first."""
    b_state: TaskState | None = None
    """How it ended in the second."""


class RunComparison(Told):
    """Two runs side by side."""

    a: RunSummary
    """The first of the two."""
    b: RunSummary
    """The second of the two."""
    phases: list[PhaseComparison]
    """By region and phase."""
    only_a: list[TaskId]
    """Tasks that only the first has."""
    only_b: list[TaskId]
    """Tasks that only the second has."""


class RunExport(Told):
    """Everything the one-file offline page needs of a run."""

    exported_wall: Wall
    version: str
    """Version that wrote it."""
    run: RunDetail
    """The run as it stood."""
    plan: PlanView
    """The plan as a graph."""
    spans: SpansView
    """Its attempts in time."""
    events: list[EventView]
    """Records, oldest first."""

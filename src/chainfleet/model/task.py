"""Tasks, limits and the plan: one dependency graph over all phases, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Phase(StrEnum):
    """The six phases, in the order that `max` runs them."""

    INFRASTRUCTURE = "infrastructure"
    KUBERNETES = "kubernetes"
    BESU = "besu"
    CONTRACTS = "contracts"
    MONITORING = "monitoring"
    VERIFICATION = "verification"


class Mode(StrEnum):
    """Which edges and ceilings a plan gets."""

    SEQUENTIAL = "sequential"
    STANDARD = "standard"
    MAX = "max"
    ULTRA = "ultra"


class TaskKind(StrEnum):
    """What the scheduler does with a task."""

    WORK = "work"
    """Handed to a driver as attempts."""
    BARRIER = "barrier"
    """Takes no time and no slot: it is over as soon as what it waits for is over."""
    GATE = "gate"
    """Waits for a decision: a check on the new revision, or a person."""


class LimitKind(StrEnum):
    """How a limit is drawn from."""

    CONCURRENCY = "concurrency"
    """`capacity` units at once; given back when the attempt ends."""
    TOKENS = "tokens"
    """A token bucket: `capacity` is its burst, `rate_per_s` its refill. Never given back."""
    MEMORY = "memory"
    """`capacity` MiB at once; given back when the attempt ends."""


@dataclass(frozen=True, slots=True)
class Limit:
    """A named budget that attempts draw from.

    Attributes:
        name: e.g. `besu/slots`, `azure/write/sub-1/*`, `machine/memory`.
        kind: how it is drawn from.
        capacity: slots, burst tokens or MiB.
        rate_per_s: refill of a token bucket, in tokens per second; 0 for the other kinds.
        adaptive: whether throttling lowers it and calm raises it again.
    """

    name: str
    kind: LimitKind
    capacity: float
    rate_per_s: float = 0.0
    adaptive: bool = False


@dataclass(frozen=True, slots=True)
class Demand:
    """What one attempt of a task draws from one limit."""

    limit: str
    amount: float = 1.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """How long an attempt is expected to take.

    Attributes:
        median_s: median in seconds.
        sigma: standard deviation of the logarithm of the duration.
        shape: logarithms of the factors on the median that were seen, sorted, each as likely as the others;
            none where the duration is taken to be lognormal.
        doubt: standard error of the median's logarithm: how far all attempts of the action may be off together.
    """

    median_s: float
    sigma: float = 0.3
    shape: tuple[float, ...] = ()
    doubt: float = 0.0


@dataclass(frozen=True, slots=True)
class Task:
    """The smallest thing that is scheduled, retried and reported.

    Attributes:
        id: `phase/action/subject`.
        needs: tasks that must have *succeeded* first (all of them, or see `at_least`).
        after: tasks that must be *over* first, however they ended: ordering without dependence.
        at_least: the sum of the `weight` of succeeded `needs` that suffices; None means all must succeed.
            With it the task starts as soon as the sum is reached, and fails to be reachable
            only when the rest can't reach it any more.
        weight: what this task counts for in somebody's `at_least`, e.g. its validators.
        demands: what one attempt draws from limits.
        estimate: expected duration of one attempt.
        timeout_s: an attempt is stopped after that many seconds.
        max_attempts: attempts in one run, the first included.
        region: the region it belongs to; None for the network as a whole.
        wave: index of the wave of its region, where there are waves.
        twins: tasks that do the same in other regions share this name (the twin breaker compares them).
        labels: further facts for drivers, e.g. `{"validator": "0"}`.
        adoptable: whether the other side goes on with what a broken attempt began (a cloud with a cluster), so that
            the next attempt only waits for the rest.
    """

    id: str
    phase: Phase
    kind: TaskKind = TaskKind.WORK
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    at_least: int | None = None
    weight: int = 1
    demands: tuple[Demand, ...] = ()
    estimate: Estimate = Estimate(1.0)
    timeout_s: float = 600.0
    max_attempts: int = 5
    region: str | None = None
    wave: int | None = None
    twins: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    adoptable: bool = False

    @property
    def action(self) -> str:
        """The middle part of the id."""
        return self.id.split("/", 2)[1]

    @property
    def subject(self) -> str:
        """The last part of the id."""
        return self.id.split("/", 2)[2]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How a failed attempt is tried again (full-jitter exponential backoff).

    Attributes:
        base_s: upper bound of the first wait, in seconds.
        cap_s: upper bound of any wait.
        run_budget: retries allowed in the whole run, as a share of its tasks (a small reserve is added).
        region_budget: retries allowed in one region.
    """

    base_s: float = 2.0
    cap_s: float = 60.0
    run_budget: float = 0.5
    region_budget: int = 30


@dataclass(frozen=True, slots=True)
class FailureBudget:
    """How many regions may fail before no further region is started; None is no bound."""

    regions: int | None = None
    percent: float | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """What of the fleet's deployment policy a run follows; `approval`: gates wait for a person."""

    retry: RetryPolicy = RetryPolicy()
    budget: FailureBudget = FailureBudget()
    twin_breaker: bool = True
    approval: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The graph of tasks made from a fleet, with estimates and limits; plain data, no effects.

    Attributes:
        fleet: name of the fleet.
        revision: fingerprint of the fleet that the plan was made from.
        mode: which edges it has.
        tasks: in an order in which every task comes after its predecessors.
        limits: every limit that a task demands.
        waves: names of the regions of each wave; empty where there are none.
    """

    fleet: str
    revision: str
    mode: Mode
    tasks: tuple[Task, ...]
    limits: tuple[Limit, ...]
    policy: Policy = Policy()
    waves: tuple[tuple[str, ...], ...] = ()

    def task(self, task_id: str) -> Task:
        """Return the task with that id; KeyError if there is none."""
        for task in self.tasks:
            if task.id == task_id:
                return task
        raise KeyError(task_id)

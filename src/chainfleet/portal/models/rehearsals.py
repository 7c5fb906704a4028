"""Rehearsals: what is asked, and what they say."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from chainfleet.model.task import Phase

from .common import TaskId, Told
from .runs import PolicyGiven


class RehearsalGiven(PolicyGiven):
    """A rehearsal: the same scheduler under a virtual clock."""

    seed: Annotated[int, Field(ge=0, le=2**31)] = 0
    """Of everything random: the same seed, the same answer."""
    runs: Annotated[int, Field(ge=1, le=1000)] = Field(50, description="How many worlds to rehearse in.")
    faults: Literal[
        "none",
        "flaky",
        "throttled",
        "no-capacity",
        "lost-region",
        "slow-region",
        "lost-worker",
        "people",
        "storm",
    ] = Field("none", description="What goes wrong in them.")


class PathStep(Told):
    """One step of the critical path."""

    task: TaskId
    """Id of the task."""
    start: float
    """When it begins, in seconds from the start."""
    end: float
    """When it ends, in seconds from the start."""
    wait: str = Field("", description="What it waited for, where the step is a wait.")


class PhaseSpan(Told):
    """When a phase begins and ends."""

    phase: Phase
    """The phase."""
    start: float
    """When it begins, in seconds from the start."""
    end: float
    """When it ends, in seconds from the start."""


class RehearsalResult(Told):
    """How long a run would take, and what binds it."""

    p50_s: float
    """Half of the rehearsals end by then."""
    p90_s: float
    """Nine of ten rehearsals end by then."""
    lower_bound_s: float
    """No run of the plan can be faster than these seconds."""
    bound_by: dict[str, float] = Field(description="Seconds of the median run by what its critical path did.")
    phases: list[PhaseSpan]
    """When phases begin and end in the median run."""
    critical_path: list[PathStep]
    """What the end of the median run hung on, first to last."""
    attempts: int
    """Attempts of the median run."""
    throttled: int
    """Attempts answered 429 in the median run."""
    forecast: dict[str, Any] = Field(
        {}, description="The whole forecast of the mode, as `chainfleet rehearse --json` gives it."
    )
    command: str = ""
    """The command that does the same."""

"""Rehearsing a deployment: the forecast's answer as the API tells it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainfleet.model.fleet_file import LoadedFleet
from chainfleet.runtime.foresight import learned_from
from chainfleet.runtime.operations import scaled
from chainfleet.runtime.state import StateFolder
from chainfleet.runtime.targets import PolicyOptions
from chainfleet.scheduling.forecast import Question, forecast

from ..models.rehearsals import PathStep, PhaseSpan, RehearsalGiven, RehearsalResult


def rehearsed(
    loaded: LoadedFleet, policy: PolicyOptions, given: RehearsalGiven, state: StateFolder, scale: float
) -> RehearsalResult:
    """How long a deployment takes on its cloud, with what its ledger has learned, and what decides that.

    Raises:
        PlanError, InputError: the plan can't be run.
    """
    fleet = scaled(loaded.fleet, scale)
    question = Question(
        fleet,
        loaded.revision,
        runs=given.runs,
        seed=given.seed,
        faults=given.faults,
        learned=learned_from(state, fleet.name),
        overrides=policy.overrides(fleet),
        selection=policy.selection(),
    )
    mode = next(iter(forecast(question)["modes"].values()))
    return RehearsalResult(
        p50_s=mode["p50_s"],
        p90_s=mode["p90_s"],
        lower_bound_s=mode["lower_bound_s"],
        bound_by={share["what"]: share["seconds"] for share in mode["critical_path"]},
        phases=_phases(mode["gantt"]),
        critical_path=_path(mode["chain"]),
        attempts=round(mode["calls_per_success"] * mode["tasks"]),
        throttled=round(mode["throttled"]),
        forecast=mode,
    )


def _phases(bars: list[Mapping[str, Any]]) -> list[PhaseSpan]:
    edges: dict[str, tuple[float, float]] = {}
    for bar in bars:
        first, last = edges.get(bar["phase"], (bar["start_s"], bar["end_s"]))
        edges[bar["phase"]] = (min(first, bar["start_s"]), max(last, bar["end_s"]))
    return [PhaseSpan(phase=phase, start=first, end=last) for phase, (first, last) in edges.items()]


def _path(chain: list[Mapping[str, Any]]) -> list[PathStep]:
    steps = []
    for step in chain:
        if step["waited_s"] > 0:
            wait = step["waited_for"] or "its turn"
            begin = max(0.0, step["start_s"] - step["waited_s"])
            steps.append(PathStep(task=step["task"], start=begin, end=step["start_s"], wait=wait))
        steps.append(PathStep(task=step["task"], start=step["start_s"], end=step["end_s"]))
    return steps

"""What tasks leave behind, from run to run, until a destroy takes it away."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .history import DESTROY
from .store import Ledger

Outputs = dict[str, Mapping[str, Any]]
"""Outputs of finished tasks, by task id."""

_CLUSTERS = ("infrastructure/cluster", "kubernetes/base")
"""With these everything in a region's cluster goes."""


def all_outputs(ledger: Ledger) -> Outputs:
    """What all runs together have left behind."""
    outputs: Outputs = {}
    for run in ledger.runs():
        for record in ledger.records(run):
            if record.kind == "outputs":
                take_up(outputs, run, record.subject, json.loads(record.body))
    return outputs


def take_up(outputs: Outputs, run: str, task: str, left: Mapping[str, Any]) -> None:
    """Take up what one finished task left behind, or forget what it has undone."""
    if not run.endswith(DESTROY):
        outputs[task] = left
        return
    outputs.pop(task, None)
    action, _, region = task.rpartition("/")
    if action in _CLUSTERS:
        network = f"infrastructure/network/{region}"
        for known in [known for known in outputs if known != network and _is_in(known, region)]:
            del outputs[known]
    if not regions_of(outputs):
        # With the last region the network is gone, and what it was as a whole.
        outputs.clear()


def regions_of(outputs: Mapping[str, object]) -> frozenset[str]:
    """Regions that hold something that was made."""
    made = (*_CLUSTERS, "infrastructure/network")
    places = (task.rpartition("/") for task in outputs)
    return frozenset(region for action, _, region in places if action in made)


def _is_in(task: str, region: str) -> bool:
    place = task.rpartition("/")[2]
    return place == region or (place.startswith(f"{region}-") and place.removeprefix(f"{region}-").isdigit())

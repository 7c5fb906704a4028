"""Regions as the API tells them: where they lie, what time it is there, and how they fared."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from chainfleet.model.errors import FleetError
from chainfleet.model.event import Verdict
from chainfleet.model.region import known_regions

from .environments.desk import Desk
from .environments.fleets import load_text
from .models.monitoring import RegionDetail, RegionFactsView, RegionRun
from .problems import not_found
from .runs.charts import work_by_phase

_RUNS = 30


@cache
def _places() -> dict[str, RegionFactsView]:
    """Every region that is known, by name; clouds don't share names."""
    text = (files("chainfleet.portal") / "data" / "places.json").read_text(encoding="utf-8")
    document = json.loads(text)
    zones = document["time_zones"]
    return {
        facts.name: RegionFactsView(
            name=facts.name,
            cloud=facts.cloud,
            display_name=facts.display_name,
            continent=facts.continent,
            latitude=facts.latitude or None,
            longitude=facts.longitude or None,
            zones=facts.zones,
            restricted=facts.restricted,
            time_zone=zones.get(facts.name, ""),
        )
        for cloud in ("azure", "aws", "gcp")
        for facts in known_regions(cloud).values()
    }


def regions(desks: Sequence[Desk], cloud: str | None) -> list[RegionFactsView]:
    """Regions that a fleet can name, and those that environments name, by cloud and name."""
    users: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for desk in desks:
        for region in _regions_of(desk):
            users[region].append(desk.name)
    found = dict(_places())
    for name, of_cloud in users:
        found.setdefault(name, RegionFactsView(name=name, cloud=of_cloud, display_name=name))
    views = [
        view.model_copy(update={"environments": users.get((view.name, view.cloud), [])})
        for view in found.values()
    ]
    return sorted(
        (view for view in views if cloud is None or view.cloud == cloud),
        key=lambda view: (view.cloud, view.name),
    )


def region(desks: Sequence[Desk], name: str) -> RegionDetail:
    """A region with its past, newest first.

    Raises:
        ProblemError: nobody knows it.
    """
    facts = next((view for view in regions(desks, None) if view.name == name), None)
    if facts is None:
        raise not_found("region", name)
    history = [run for desk in desks if desk.name in facts.environments for run in _history(desk, name)]
    history.sort(key=lambda run: -run.wall)
    seconds: defaultdict[str, list[float]] = defaultdict(list)
    for run in history:
        for phase, taken in run.phases.items():
            seconds[phase].append(taken)
    medians = {phase: round(statistics.median(taken), 2) for phase, taken in seconds.items()}
    return RegionDetail(**facts.model_dump(), history=history[:_RUNS], median_s=medians)


def _history(desk: Desk, name: str) -> list[RegionRun]:
    found = []
    for run in desk.ledger.runs()[-_RUNS:]:
        with desk.lock:
            view = desk.book(run).view
            if not any(task.region == name for task in view.tasks.values()):
                continue
            verdict = view.finish.regions.get(name, Verdict.CANCELLED).value if view.finish else "unfinished"
            spans = [s for s in view.spans if (task := view.tasks.get(s.task)) and task.region == name]
            phases = {phase.value: s for (_, phase), s in work_by_phase(view, spans).items()}
            errors = list(dict.fromkeys(span.error for span in spans if span.error))
            found.append(
                RegionRun(
                    environment=desk.name,
                    run=run,
                    verdict=verdict,
                    wall=view.began,
                    phases=phases,
                    errors=errors[:5],
                )
            )
    return found


def _regions_of(desk: Desk) -> list[tuple[str, str]]:
    made = desk.revision()
    if made is None:
        return []
    try:
        return [(region.name, region.cloud) for region in load_text(made.document).fleet.regions]
    except FleetError:
        return []

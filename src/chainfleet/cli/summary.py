"""The last thing an operator reads: how a run ended, with what, how fast, and where the report lies."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import typer

from chainfleet.ledger.projection import RunView
from chainfleet.model.event import Verdict
from chainfleet.model.fleet import Fleet
from chainfleet.model.task import Estimate
from chainfleet.runtime.foresight import error_document
from chainfleet.runtime.operations import RunResult, failed_tasks
from chainfleet.runtime.report import critical_chain
from chainfleet.scheduling.bounds import lower_bound
from chainfleet.scheduling.forecast.outlook import Interval

from .output import write
from .views import first_line

NETWORK = "verification/network/network"
OUTDATED = "was verified before the last regions came up: `chainfleet verify FLEET` looks at it anew"


def print_result(fleet: Fleet, result: RunResult, report: Path, *, as_json: bool) -> None:
    """Print the end of a run."""
    document = result_document(fleet, result, report)
    if as_json:
        typer.echo(json.dumps(document, indent=1))
        return
    write("")
    write(
        f"{document['verdict'].upper()}: {fleet.name}, {document['regions_succeeded']} of {document['regions']} regions"
    )
    if document["network_outdated"]:
        write(f"  network       {OUTDATED}")
    else:
        _print_network(document["network"])
    if document["round_equal"] is not None:
        write(
            f"  oracle        round read back on every chain, {'equal' if document['round_equal'] else 'NOT EQUAL'}"
        )
    changed = f"{document['changed']} changed, {document['unchanged']} already right"
    write(
        f"  tasks         {document['tasks']} in {document['attempts']} attempts, {document['retries']} retries; {changed}"
    )
    write(f"  duration      {_duration(document)}")
    write(f"  time          {_where(document)}")
    if document["forecast"] is not None:
        write(f"  forecast      {_forecast_error(document['forecast'])}")
    for line, way_out in failure_lines(document["failed"]):
        write(f"  failed        {line}")
        if way_out:
            write(f"  way out       {way_out}")
    if result.finish.reason:
        write(f"  reason        {result.finish.reason}")
    write(f"  report        {report}")
    if result.finish.verdict is Verdict.CANCELLED:
        write("  next          `chainfleet resume FLEET` goes on from here")
    elif document["failed"]:
        write("  next          `chainfleet retry FLEET` tries again what failed")


def result_document(fleet: Fleet, result: RunResult, report: Path) -> dict[str, Any]:
    """The end of a run as JSON values."""
    view, plan = result.view, result.view.plan
    assert plan is not None
    learned = {
        span.task: Estimate(span.end - span.start, 0.0)
        for span in view.spans
        if span.ok and span.end is not None
    }
    bound = lower_bound(plan, learned)
    network = dict(view.outputs.get(NETWORK, {}))
    ended = [span for span in view.spans if span.ok]
    verdicts = [verdict.value for verdict in result.finish.regions.values()]
    return {
        "run": result.run,
        "fleet": fleet.name,
        "mode": plan.mode.value,
        "verdict": result.finish.verdict.value,
        "regions": len(fleet.regions),
        "regions_succeeded": verdicts.count("succeeded"),
        "network": network,
        "network_outdated": network_outdated(view),
        "contracts": network.get("contracts", {}),
        "round_equal": network.get("round_equal"),
        "tasks": len(plan.tasks),
        "attempts": len(view.spans),
        "retries": view.retries,
        "throttled": view.throttled,
        "changed": sum(span.changed for span in ended),
        "unchanged": sum(not span.changed for span in ended),
        "duration_s": round(view.last, 2),
        "lower_bound_s": round(bound.seconds, 2),
        "bound_by": bound.binding,
        "ratio": round(view.last / bound.seconds, 3) if bound.seconds else 0.0,
        "own_s": round(result.own_s, 3),
        "cpu_s": round(result.cpu_s, 2),
        "terraform_cpu_s": round(result.children_cpu_s, 2),
        "waiting_s": waiting(result),
        "forecast": error_document(view),
        "failed": [{"task": task.id, "cause": cause} for task, cause in failed_tasks(view)],
        "incidents": view.incidents,
        "report": str(report),
    }


def network_outdated(view: RunView) -> bool:
    """Whether regions were repaired after the network as a whole was verified: its figures don't count them."""
    ended = {span.task: span.end for span in view.spans if span.ok and span.end is not None}
    verified = ended.get(NETWORK)
    repaired = (end for task, end in ended.items() if task.startswith("verification/region/"))
    return verified is not None and any(end > verified for end in repaired)


def failure_lines(failed: list[dict[str, str]]) -> list[tuple[str, str]]:
    """A line and its way out for each cause, not for each task: what failed alike in many regions is one thing to mend."""
    groups: dict[tuple[str, str], list[dict[str, str]]] = {}
    for item in failed:
        action, subject = item["task"].rsplit("/", 1)
        # Validators of a region are named `region-0`; their messages speak of `validator-0 in region`.
        region = subject.rstrip("0123456789").rstrip("-")
        cause = re.sub(r"\d+", "#", item["cause"].replace(region, "…"))
        groups.setdefault((action, cause), []).append(item)
    lines = []
    for (action, _), items in groups.items():
        subjects = [item["task"].rsplit("/", 1)[1] for item in items]
        names = ", ".join(subjects[:3]) + (f" and {len(subjects) - 3} more" if len(subjects) > 3 else "")
        cause, _, way_out = items[0]["cause"].partition("\n  way out: ")
        lines.append((f"{action} of {names}: {first_line(cause)}", way_out.partition("\n")[0]))
    return lines


def waiting(result: RunResult) -> dict[str, float]:
    """Seconds of the critical chain by phase, and what of it was waiting for a free limit or a retry."""
    seconds: dict[str, float] = {}
    chain = critical_chain(result.view)
    for before, span in zip([None, *chain], chain, strict=False):
        phase = span.task.split("/", 1)[0]
        end = span.end or span.start
        gap = span.start - (before.end or 0.0) if before else span.start
        seconds[phase] = round(seconds.get(phase, 0.0) + end - span.start, 2)
        seconds["held back"] = round(seconds.get("held back", 0.0) + max(0.0, gap), 2)
    return seconds


def _duration(document: dict[str, Any]) -> str:
    """How long it took; a run that was cancelled was never to take as long as all of it does at least."""
    took = f"{document['duration_s']:.1f} s"
    if document["verdict"] == Verdict.CANCELLED.value:
        return took
    return f"{took}, {document['ratio']:.2f} × the lower bound ({document['bound_by']})"


def _forecast_error(forecast: dict[str, Any]) -> str:
    said = Interval(forecast["low_s"], forecast["p50_s"], forecast["high_s"]).text()
    off = f"{abs(forecast['error']):.0%} {'later' if forecast['error'] > 0 else 'sooner'}"
    return (
        f"{said} was said at the start; it took {off}, {'in' if forecast['inside'] else 'out of'} that range"
    )


def _where(document: dict[str, Any]) -> str:
    duration = document["duration_s"] or 1.0
    parts = [f"{phase} {100 * seconds / duration:.0f} %" for phase, seconds in document["waiting_s"].items()]
    cpu = f"CPU: terraform {document['terraform_cpu_s']:.1f} s, chainfleet {document['cpu_s']:.1f} s"
    return f"{', '.join(parts)}; chainfleet itself {100 * document['own_s'] / duration:.1f} %; {cpu}"


def _print_network(network: dict[str, Any]) -> None:
    if not network:
        return
    ready = f"{network['ready']} of {network['validators']} ready (quorum {network['quorum']})"
    peers = f"peers {network['peers_min']} to {network['peers_max']}"
    write(f"  validators    {ready}, {peers}")
    write(f"  head          block {network['head']}, advancing from {network['head_before']}")
    for chain, facts in network.get("contracts", {}).items():
        code = "code as built" if facts["code_equal"] else "CODE DIFFERS"
        write(f"  contract      {chain}: {facts['address']} ({code})")

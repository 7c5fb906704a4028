"""Forecasts as plain data: what `--json`, the page and the portal show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from chainfleet.model.task import Plan

from .forecasting import Forecast
from .summary import Spread, Summary
from .tuning import Tuned
from .variations import Variation

CLAIMS_MIN: Mapping[str, tuple[float, float]] = {
    "sequential": (300.0, 540.0),
    "standard": (45.0, 85.0),
    "max": (30.0, 60.0),
    "ultra": (20.0, 40.0),
}
"""What the strategy claims for 24 regions and 48 validators, in minutes."""


CLAIMED = (24, 48)
"""Regions and validators that the claims are about."""


def mode_document(forecast: Forecast, found: Sequence[Variation], recommendation: str) -> dict[str, Any]:
    """The forecast of one mode."""
    summary = forecast.summary
    return {
        **summary_document(summary),
        "tasks": len(forecast.plan.tasks),
        "phases": {name: _spread(spread) for name, spread in summary.phases.items()},
        "regions": {name: _spread(spread) for name, spread in summary.regions.items()},
        "critical_path": [
            {"what": s.what, "seconds": _r(s.seconds), "share": _r(s.share)} for s in summary.critical_path
        ],
        "constraints": [
            {"limit": h.limit, "seconds": _r(h.seconds), "runs": _r(h.runs)} for h in summary.held
        ],
        "limits": _limits(forecast.plan),
        "what_if": [_rounded(asdict(v)) for v in found],
        "recommendation": recommendation,
        "histogram": {
            "first_s": _r(summary.first_s),
            "bin_s": _r(summary.bin_s),
            "counts": list(summary.histogram),
        },
        "gantt": [_rounded(asdict(bar)) for bar in forecast.bars],
        "chain": [_rounded(asdict(step)) for step in forecast.chain],
    }


def summary_document(summary: Summary) -> dict[str, Any]:
    """The figures of a summary."""
    bound = summary.bound.seconds
    return {
        "runs": summary.runs,
        **_spread(summary.finish),
        "mean_s": _r(summary.mean_s),
        "lower_bound_s": _r(bound),
        "bound_by": summary.bound.binding,
        "ratio": _r(summary.finish.p50_s / bound) if bound else 1.0,
        "chances": {verdict: _r(chance) for verdict, chance in summary.chances.items()},
        "throttled": _r(summary.throttled),
        "retries": _r(summary.retries),
        "wasted_calls": _r(summary.wasted_calls),
        "calls_per_success": _r(summary.calls_per_success),
    }


def tuned_document(tuned: Tuned) -> dict[str, Any]:
    """The outcome of a search for a better setting."""
    return {
        "options": list(tuned.options),
        "before": summary_document(tuned.before),
        "after": summary_document(tuned.after),
        "tried": tuned.tried,
    }


def claims_document(modes: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The strategy's claims beside what came out; a mode that was not rehearsed is left out."""
    rows = []
    for mode, (low, high) in CLAIMS_MIN.items():
        if mode in modes:
            minutes = modes[mode]["p50_s"] / 60
            verdict = "inside" if low <= minutes <= high else "below" if minutes < low else "above"
            rows.append({"mode": mode, "claim_min": [low, high], "p50_min": _r(minutes), "verdict": verdict})
    return rows


def _limits(plan: Plan) -> dict[str, dict[str, float]]:
    return {limit.name: {"capacity": limit.capacity, "rate_per_s": limit.rate_per_s} for limit in plan.limits}


def _spread(spread: Spread) -> dict[str, float]:
    return {name: _r(value) for name, value in asdict(spread).items()}


def _rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _r(value) if isinstance(value, float) else value for name, value in values.items()}


def _r(value: float) -> float:
    return round(value, 4)

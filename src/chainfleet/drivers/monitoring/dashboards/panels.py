"""Panels and dashboards as Grafana's JSON, with what all of ours have in common.

Layout is by flow: panels are put side by side until a row of 24 columns is full.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]

_SCHEMA_VERSION = 39
"""Grafana 11's; newer ones migrate it."""
_COLUMNS = 24
_DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
GOOD, WARN, BAD = "green", "orange", "red"


@dataclass(frozen=True, slots=True)
class Query:
    """One query of a panel; `legend` may name labels as `{{region}}`."""

    expression: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Attributes:
        title: what it shows, with the unit where it isn't plain.
        queries: whose results it shows.
        kind: of Grafana's panels.
        unit: Grafana's name of the unit.
        steps: lower bound → colour, the first bound being `None` for everything below; empty for no colours.
        description: what to make of it.
        width: columns of 24.
        height: rows of 30 pixels.
        decimals: digits after the point; None leaves it to Grafana.
    """

    title: str
    queries: tuple[Query, ...]
    kind: Literal["timeseries", "stat", "table", "statetimeline"] = "timeseries"
    unit: str = "short"
    steps: tuple[tuple[float | None, str], ...] = ()
    description: str = ""
    width: int = 12
    height: int = 8
    decimals: int | None = None


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top of a dashboard, filled from a label."""

    name: str
    metric: str
    label: str
    depends: str = ""
    """Selector of the metric, e.g. `region=~"$region"`."""


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard."""

    uid: str
    title: str
    description: str
    panels: Sequence[Panel]
    variables: Sequence[Variable] = ()
    tags: Sequence[str] = field(default_factory=tuple)


def dashboard(board: Board, refresh_s: int) -> Json:
    """Return a dashboard's JSON."""
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.description,
        "tags": ["chainfleet", *board.tags],
        "timezone": "utc",
        "editable": False,
        "graphTooltip": 1,
        "schemaVersion": _SCHEMA_VERSION,
        "version": 1,
        "refresh": f"{refresh_s}s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_datasource(), *(_variable(v) for v in board.variables)]},
        "annotations": {"list": [_alerts()]},
        "links": [
            {
                "title": "chainfleet",
                "type": "dashboards",
                "icon": "external link",
                "tooltip": "",
                "tags": ["chainfleet"],
                "asDropdown": True,
                "targetBlank": False,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "panels": _laid_out(board.panels),
    }


def _laid_out(panels: Sequence[Panel]) -> list[Json]:
    found, x, y, tallest = [], 0, 0, 0
    for number, panel in enumerate(panels, 1):
        if x + panel.width > _COLUMNS:
            x, y, tallest = 0, y + tallest, 0
        found.append(_panel(number, panel, {"x": x, "y": y, "w": panel.width, "h": panel.height}))
        x, tallest = x + panel.width, max(tallest, panel.height)
    return found


def _panel(number: int, panel: Panel, place: Mapping[str, int]) -> Json:
    instant = panel.kind in ("stat", "table")
    defaults: Json = {"unit": panel.unit}
    if panel.decimals is not None:
        defaults["decimals"] = panel.decimals
    if panel.steps:
        steps = [{"value": bound, "color": colour} for bound, colour in panel.steps]
        defaults |= {"thresholds": {"mode": "absolute", "steps": steps}, "color": {"mode": "thresholds"}}
    if panel.kind == "timeseries":
        defaults["custom"] = {"fillOpacity": 8, "lineWidth": 1, "showPoints": "never", "spanNulls": False}
        defaults["color"] = {"mode": "palette-classic"}
    return {
        "id": number,
        "type": "state-timeline" if panel.kind == "statetimeline" else panel.kind,
        "title": panel.title,
        "description": panel.description,
        "gridPos": dict(place),
        "datasource": dict(_DATASOURCE),
        "targets": [
            _target(index, query, instant=instant, table=panel.kind == "table")
            for index, query in enumerate(panel.queries)
        ],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _options(panel.kind),
    }


def _target(index: int, query: Query, *, instant: bool, table: bool) -> Json:
    return {
        "refId": "ABCDEFGH"[index],
        "datasource": dict(_DATASOURCE),
        "expr": query.expression,
        "legendFormat": query.legend or "__auto",
        "instant": instant,
        "range": not instant,
        "format": "table" if table else "time_series",
    }


def _options(kind: str) -> Json:
    if kind == "timeseries":
        legend = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
        return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
    reduce = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    if kind == "stat":
        return {
            "reduceOptions": reduce,
            "colorMode": "background",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "textMode": "auto",
        }
    if kind == "table":
        return {"showHeader": True, "cellHeight": "sm"}
    return {"mergeValues": True, "showValue": "never", "rowHeight": 0.9}


def _datasource() -> Json:
    return {
        "name": "datasource",
        "type": "datasource",
        "label": "Prometheus",
        "query": "prometheus",
        "hide": 0,
    }


def _variable(variable: Variable) -> Json:
    selector = f"{variable.metric}{{{variable.depends}}}" if variable.depends else variable.metric
    return {
        "name": variable.name,
        "type": "query",
        "label": variable.name,
        "datasource": dict(_DATASOURCE),
        "query": {"query": f"label_values({selector}, {variable.label})", "refId": "variable"},
        "refresh": 2,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "sort": 1,
        "hide": 0,
        "current": {"text": "All", "value": "$__all"},
    }


def _alerts() -> Json:
    """Marks every alert that fires in the time lines."""
    return {
        "name": "Alerts",
        "datasource": dict(_DATASOURCE),
        "enable": True,
        "hide": False,
        "iconColor": "red",
        "expr": 'ALERTS{alertstate="firing",severity=~"critical|warning"}',
    }

"""The forecast as one page that needs nothing else: distribution, Gantt of the run in the middle, what-if."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from chainfleet.model.task import Phase
from chainfleet.scheduling.forecast.variations import duration

_ROW = 14
_LEFT = 150
_WIDTH = 1000
_HIGH = 120
_QUANTILES = ("p50_s", "p90_s", "p99_s")


def write_page(path: Path, document: Mapping[str, Any]) -> None:
    """Write the page, replacing one that is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(render_page(document), encoding="utf-8")
    temporary.replace(path)


def render_page(document: Mapping[str, Any]) -> str:
    """The page as text, from what `forecast` answers."""
    template = Template((files("chainfleet.runtime") / "forecast.html.in").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(f"{document['fleet']}: rehearsal"),
        facts=escape(facts(document)),
        modes=_modes(document["modes"]),
        claims=_claims(document["claims"]),
        tuned=_tuned(document["tuned"]),
        sections="".join(_section(name, mode) for name, mode in document["modes"].items()),
    )


def facts(document: Mapping[str, Any]) -> str:
    """One line that says what was rehearsed."""
    cores = document["machine"]["cores"]
    parts = [
        f"{document['regions']} regions, {document['validators']} validators",
        f"{document['runs']} rehearsals a mode, seed {document['seed']}",
        f"faults: {document['faults']}",
        f"durations: {document['profile']}",
        f"machine: {document['machine']['memory_mib']} MiB{f', {cores} cores' if cores else ''}",
    ]
    if document["time_scale"] != 1:
        parts.append(f"on a cloud {document['time_scale']:g} times as fast as real ones")
    return "; ".join(parts)


def _modes(modes: Mapping[str, Mapping[str, Any]]) -> str:
    head = (
        "mode",
        "P50",
        "P90",
        "P99",
        "lower bound",
        "bound by",
        "P50 / bound",
        "calls / success",
        "succeeds",
    )
    rows = [
        (
            name,
            *(duration(mode[q]) for q in _QUANTILES),
            duration(mode["lower_bound_s"]),
            mode["bound_by"],
            f"{mode['ratio']:.2f}",
            f"{mode['calls_per_success']:.3f}",
            f"{mode['chances'].get('succeeded', 0):.1%}",
        )
        for name, mode in modes.items()
    ]
    return _table(head, rows, words=(0, 5))


def _claims(claims: Sequence[Mapping[str, Any]]) -> str:
    if not claims:
        return ""
    rows = [
        (
            c["mode"],
            f"{c['claim_min'][0]:g}-{c['claim_min'][1]:g} min",
            f"{c['p50_min']:.1f} min",
            c["verdict"],
        )
        for c in claims
    ]
    table = _table(("mode", "the strategy's claim", "P50 here", ""), rows, words=(0, 3))
    return f"<h2>The strategy's claims for 24 regions</h2><div class=scroll><table>{table}</table></div>"


def _tuned(tuned: Mapping[str, Any] | None) -> str:
    if tuned is None:
        return ""
    gain = _gain(tuned["before"]["p90_s"] - tuned["after"]["p90_s"])
    options = escape(" ".join(tuned["options"]))
    return (
        f"<h2>Tuned</h2><p class=advice><code>{options}</code><br>P90 {duration(tuned['after']['p90_s'])}, "
        f"{gain} than as declared; {tuned['tried']} settings tried</p>"
    )


def _section(name: str, mode: Mapping[str, Any]) -> str:
    path = [(s["what"], duration(s["seconds"]), f"{s['share']:.0%}") for s in mode["critical_path"]]
    held = [(h["limit"], duration(h["seconds"]), f"{h['runs']:.0%}") for h in mode["constraints"]]
    expected = (
        f"Expected in one run: {mode['throttled']:.1f} answers of 429, {mode['retries']:.1f} retries, "
        f"{mode['wasted_calls']:.1f} wasted calls."
    )
    parts = [
        f"<h2>{escape(name)}</h2>",
        f"<p class=advice>{escape(mode['recommendation'])}</p>" if mode["recommendation"] else "",
        f"<p>{expected}</p><h3>When it ends</h3>{_histogram(mode)}",
        f"<h3>What the critical path does</h3><table>{_table(('', 'on average', 'share'), path)}</table>",
        f"<h3>Limits that hold it up</h3><table>{_table(('limit', 'on average', 'of the runs'), held)}</table>"
        if held
        else "",
        f"<h3>Phases</h3><table>{_spreads(mode['phases'])}</table>",
        _what_if(mode["what_if"]),
        f"<h3>The rehearsal in the middle</h3><p>{_LEGEND} Framed: the critical path.</p>{_gantt(mode)}",
        f"<h3>Regions</h3><div class=scroll><table>{_spreads(mode['regions'])}</table></div>",
    ]
    return "".join(parts)


_LEGEND = "".join(f'<span class="key {phase.value}">{phase.value}</span>' for phase in Phase)


def _what_if(found: Sequence[Mapping[str, Any]]) -> str:
    if not found:
        return ""
    rows = [
        (
            v["change"],
            _gain(v["gain_p50_s"]),
            _gain(v["gain_p90_s"]),
            f"{v['chance_degraded']:.1%}",
            v["setting"] or ("needs more" if v["costs"] else ""),
        )
        for v in found
    ]
    head = ("change", "P50", "P90", "ends degraded", "how")
    return f"<h3>What if</h3><div class=scroll><table>{_table(head, rows, words=(0, 4))}</table></div>"


def _gain(seconds: float) -> str:
    if abs(seconds) < 0.5:
        return "the same"
    return f"{duration(abs(seconds))} {'sooner' if seconds > 0 else 'later'}"


def _spreads(spreads: Mapping[str, Mapping[str, float]]) -> str:
    rows = [(name, *(duration(s[q]) for q in _QUANTILES)) for name, s in spreads.items()]
    return _table(("ends by", "P50", "P90", "P99"), rows)


def _table(head: Iterable[str], rows: Iterable[Sequence[str]], *, words: Sequence[int] = (0,)) -> str:
    """Rows of a table; columns that are not words are aligned to the right."""

    def cells(values: Iterable[str], tag: str) -> str:
        return "".join(
            f"<{tag}{'' if i in words else ' class=n'}>{escape(value)}</{tag}>"
            for i, value in enumerate(values)
        )

    return f"<tr>{cells(head, 'th')}</tr>" + "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)


def _histogram(mode: Mapping[str, Any]) -> str:
    counts, first = mode["histogram"]["counts"], mode["histogram"]["first_s"]
    width = mode["histogram"]["bin_s"]
    span = width * len(counts)
    step, most = _WIDTH / len(counts), max(counts)
    bars = "".join(
        f'<rect class="bin" x="{i * step:.1f}" y="{_HIGH - _HIGH * n / most:.1f}" width="{step - 1:.1f}" '
        f'height="{_HIGH * n / most:.1f}"><title>{escape(duration(first + i * width))}: {n}</title></rect>'
        for i, n in enumerate(counts)
    )
    marks = "".join(
        f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{_HIGH + 4}"/>'
        f'<text x="{min(x + 3, _WIDTH - 60):.1f}" y="{10 + 13 * i}">{q[:3].upper()} {escape(duration(mode[q]))}</text>'
        for i, q in enumerate(_QUANTILES)
        for x in [min(_WIDTH - 1.0, _WIDTH * (mode[q] - first) / span)]
    )
    ends = (
        f'<text class="tick" x="0" y="{_HIGH + 16}">{escape(duration(first))}</text>'
        f'<text class="tick" x="{_WIDTH}" y="{_HIGH + 16}" text-anchor="end">{escape(duration(first + span))}</text>'
    )
    return f'<svg viewBox="0 0 {_WIDTH} {_HIGH + 20}" role="img" aria-label="rehearsals by finish">{bars}{marks}{ends}</svg>'


def _gantt(mode: Mapping[str, Any]) -> str:
    bars = mode["gantt"]
    regions = list(dict.fromkeys(bar["region"] or "network" for bar in bars))
    lanes, row_of = _lanes(bars, regions)
    end = max((bar["end_s"] for bar in bars), default=1.0) or 1.0
    critical = {step["task"] for step in mode["chain"]}
    high = lanes * _ROW + 24
    scale = (_WIDTH - _LEFT) / end
    parts = [f'<svg viewBox="0 0 {_WIDTH} {high}" role="img" aria-label="tasks over time">']
    for tick in range(6):
        x = _LEFT + (_WIDTH - _LEFT) * tick / 5
        anchor = "end" if tick == 5 else "start"
        parts.append(
            f'<line class="grid" x1="{x:.0f}" x2="{x:.0f}" y1="14" y2="{high}"/>'
            f'<text class="tick" x="{x:.0f}" y="10" text-anchor="{anchor}">{escape(duration(end * tick / 5))}</text>'
        )
    parts += [
        f'<text x="0" y="{18 + row_of[region, 0] * _ROW + 10}">{escape(region)}</text>' for region in regions
    ]
    for bar, lane in _placed(bars, regions):
        x, y = _LEFT + bar["start_s"] * scale, 18 + row_of[bar["region"] or "network", lane] * _ROW
        wide = max(1.0, (bar["end_s"] - bar["start_s"]) * scale)
        mark = " critical" if bar["task"] in critical else ""
        title = f"{bar['task']}: {duration(bar['start_s'])} to {duration(bar['end_s'])}"
        parts.append(
            f'<rect class="{bar["phase"]}{mark}" x="{x:.1f}" y="{y}" width="{wide:.1f}" height="{_ROW - 3}">'
            f"<title>{escape(title)}</title></rect>"
        )
    return "".join([*parts, "</svg>"])


def _placed(
    bars: Sequence[Mapping[str, Any]], regions: Sequence[str]
) -> Iterable[tuple[Mapping[str, Any], int]]:
    """Each bar with a lane of its region in which nothing else runs at that time."""
    free: dict[str, list[float]] = {region: [] for region in regions}
    for bar in sorted(bars, key=lambda each: (each["start_s"], each["task"])):
        lanes = free[bar["region"] or "network"]
        lane = next((i for i, until in enumerate(lanes) if until <= bar["start_s"] + 1e-9), len(lanes))
        lanes[lane:] = [bar["end_s"], *lanes[lane + 1 :]]
        yield bar, lane


def _lanes(
    bars: Sequence[Mapping[str, Any]], regions: Sequence[str]
) -> tuple[int, dict[tuple[str, int], int]]:
    """How many rows there are, and the row of each region's lanes."""
    most = dict.fromkeys(regions, 1)
    for bar, lane in _placed(bars, regions):
        region = bar["region"] or "network"
        most[region] = max(most[region], lane + 1)
    row_of: dict[tuple[str, int], int] = {}
    for region in regions:
        for lane in range(most[region]):
            row_of[region, lane] = len(row_of)
    return len(row_of), row_of

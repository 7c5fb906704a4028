"""SVG by hand: a card on its own ground, so that it reads the same on light and dark pages."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

PHASES = {
    "infrastructure": "#3f6fb5",
    "kubernetes": "#1f7f74",
    "besu": "#8d62c9",
    "contracts": "#a56c08",
    "monitoring": "#5d8a3a",
    "verification": "#66707f",
}
"""The colours of the report's phases, a little darker where they carry text."""
INK, FAINT, LINE = "#1f2933", "#52606d", "#9aa5b1"


def picture(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    """A whole file."""
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" font-family="system-ui, sans-serif" role="img"><title>{escape(title)}</title>'
    )
    arrow = (
        '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto-start-reverse"><path d="M0 0 8 4 0 8z" fill="{FAINT}"/></marker></defs>'
    )
    card = f'<rect width="{width:g}" height="{height:g}" rx="8" fill="#ffffff"/>'
    return "\n".join((head, arrow, card, *parts, "</svg>\n"))


def box(x: float, y: float, width: float, height: float, fill: str, *, stroke: str = "none") -> str:
    """A rectangle with round corners."""
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="5" fill="{fill}" stroke="{stroke}"/>'


def text(
    x: float,
    y: float,
    words: str,
    *,
    size: float = 13,
    fill: str = INK,
    weight: int = 400,
    anchor: str = "start",
) -> str:
    """One line."""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{fill}" font-weight="{weight}" '
        f'text-anchor="{anchor}">{escape(words)}</text>'
    )


def arrow(path: str, *, dashed: bool = False) -> str:
    """A line with a head."""
    dash = ' stroke-dasharray="4 3"' if dashed else ""
    return (
        f'<path d="{path}" fill="none" stroke="{FAINT}" stroke-width="1.3" marker-end="url(#arrow)"{dash}/>'
    )

"""Growth on two logarithmic axes, as an SVG of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import log10

Points = Sequence[tuple[float, float]]
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP, _RIGHT = 640, 400, 64, 44, 16, 150
_STROKES = ("#1f6feb", "#c2410c", "#15803d", "#7c3aed")
_DASHES = ("", "6 3", "2 3", "8 3 2 3")


def log_log(lines: Mapping[str, Points], *, x_label: str, y_label: str, title: str) -> str:
    """Lines of (x, y) with their names at their ends; every power of ten has a grid line."""
    xs = [x for points in lines.values() for x, _ in points]
    ys = [y for points in lines.values() for _, y in points]
    axes = _Axes(min(xs), max(xs), min(ys), max(ys))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" font-size="12" '
        f'font-family="sans-serif"><title>{escape(title)}</title><rect width="100%" height="100%" fill="#fff"/>',
        *axes.grid(),
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>',
        f'<text x="14" y="{_HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 14 {_HEIGHT / 2})">'
        f"{escape(y_label)}</text>",
    ]
    for (name, points), stroke, dash in zip(lines.items(), _STROKES, _DASHES, strict=False):
        path = " ".join(f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y in points)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{stroke}" stroke-width="2" stroke-dasharray="{dash}"/>'
        )
        x, y = points[-1]
        parts.append(
            f'<text x="{axes.x(x) + 8:.1f}" y="{axes.y(y) + 4:.1f}" fill="{stroke}">{escape(name)}</text>'
        )
    return "\n".join([*parts, "</svg>\n"])


class _Axes:
    def __init__(self, x_least: float, x_most: float, y_least: float, y_most: float) -> None:
        self._x = (log10(x_least), log10(x_most))
        self._y = (float(int(log10(y_least)) - 1), float(int(log10(y_most)) + 1))

    def x(self, value: float) -> float:
        share = (log10(value) - self._x[0]) / (self._x[1] - self._x[0])
        return _LEFT + share * (_WIDTH - _RIGHT - _LEFT)

    def y(self, value: float) -> float:
        share = (log10(value) - self._y[0]) / (self._y[1] - self._y[0])
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _BOTTOM - _TOP)

    def grid(self) -> list[str]:
        parts = []
        for power in range(round(self._x[0]), round(self._x[1]) + 1):
            at = self.x(10.0**power)
            parts.append(f'<path d="M{at:.1f} {_TOP}V{_HEIGHT - _BOTTOM}" stroke="#ddd"/>')
            label = (
                f'<text x="{at:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{10**power:,}</text>'
            )
            parts.append(label)
        for power in range(round(self._y[0]), round(self._y[1]) + 1):
            at = self.y(10.0**power)
            parts.append(f'<path d="M{_LEFT} {at:.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>')
            parts.append(f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{10.0**power:g}</text>')
        return parts

"""What a metric is: the exporters, the rules, the dashboards and the reference page agree on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["gauge", "counter", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric family.

    Attributes:
        name: full name; a counter's ends in `_total`.
        kind: of the family.
        help: one line.
        labels: names of its labels, in order.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()

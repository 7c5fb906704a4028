"""From a fleet to a plan: one graph over all phases."""

from .plan import Machine, Overrides, make_plan
from .selection import Selection, select

__all__ = ["Machine", "Overrides", "Selection", "make_plan", "select"]

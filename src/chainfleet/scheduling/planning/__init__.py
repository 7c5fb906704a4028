"""From a fleet to a plan: one graph over all phases."""

from .destroy import make_destroy_plan
from .plan import Machine, Overrides, make_plan
from .selection import Selection, select

__all__ = ["Machine", "Overrides", "Selection", "make_destroy_plan", "make_plan", "select"]

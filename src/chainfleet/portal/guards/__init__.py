"""What every request passes before a route sees it, in this order: host, size, origin, token, rate."""

from .chain import Guards, Rules

__all__ = ["Guards", "Rules"]

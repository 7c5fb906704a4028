"""What the clouds have room for, what exists already, and what has changed: reads only."""

from __future__ import annotations

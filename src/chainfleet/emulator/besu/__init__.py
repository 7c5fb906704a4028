"""Emulated Besu: nodes that read their real configuration, dial each other and agree by QBFT."""

from __future__ import annotations

from .world import BesuWorld

__all__ = ["BesuWorld"]

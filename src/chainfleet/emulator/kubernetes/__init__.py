"""The Kubernetes side of the emulated cloud: one API server, its controllers and its nodes per cluster."""

from __future__ import annotations

from .clusters import EmulatedClusters

__all__ = ["EmulatedClusters"]

"""What watches a region: Prometheus, its rules and the task that installs it."""

from .driver import MonitoringDriver
from .manifests import monitoring_manifests

__all__ = ["MonitoringDriver", "monitoring_manifests"]

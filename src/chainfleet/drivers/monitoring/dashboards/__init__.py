"""Grafana dashboards as code: network, region, validator, oracle, deployment."""

from .boards import central_dashboards, region_dashboards

__all__ = ["central_dashboards", "region_dashboards"]

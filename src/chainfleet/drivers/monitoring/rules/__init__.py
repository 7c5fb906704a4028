"""Recording rules and alerts, with thresholds derived from the fleet.

region      what a region's own Prometheus can see (a central one evaluates them for all regions)
network     what only the chain exporter sees
deployment  chainfleet itself
"""

from .building import Alert, Record
from .files import network_alerts, region_alerts, rule_files, rules

__all__ = ["Alert", "Record", "network_alerts", "region_alerts", "rule_files", "rules"]

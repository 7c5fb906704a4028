"""Which rules go where."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from chainfleet.model.fleet import Fleet, Region

from .building import Alert, group
from .deployment import deployment_alert_rules
from .network import network_alert_rules, network_records
from .region import region_alert_rules, region_records


def rules(fleet: Fleet, regions: Iterable[Region]) -> dict[str, Any]:
    """Return the rule file over what these regions' validators, nodes and clusters say."""
    runbooks = fleet.monitoring.runbooks_url
    return {
        "groups": [
            group("region-recorded", region_records(fleet, regions), runbooks),
            group("region-alerts", region_alert_rules(fleet), runbooks),
        ]
    }


def rule_files(fleet: Fleet) -> dict[str, dict[str, Any]]:
    """Return the rule files of a central Prometheus, by name."""
    runbooks = fleet.monitoring.runbooks_url
    network = [
        group("network-recorded", network_records(fleet), runbooks),
        group("network-alerts", network_alert_rules(fleet), runbooks),
    ]
    deployment = [group("deployment-alerts", deployment_alert_rules(), runbooks)]
    return {
        "region.yml": rules(fleet, fleet.regions),
        "network.yml": {"groups": network},
        "deployment.yml": {"groups": deployment},
    }


def region_alerts(fleet: Fleet) -> tuple[Alert, ...]:
    """The alerts that a region's own Prometheus can evaluate."""
    return tuple(region_alert_rules(fleet))


def network_alerts(fleet: Fleet) -> tuple[Alert, ...]:
    """The alerts that take the chain exporter, or chainfleet itself."""
    return (*network_alert_rules(fleet), *deployment_alert_rules())

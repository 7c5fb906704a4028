"""The objects that watch a region, in the order they are applied."""

from __future__ import annotations

import json
from base64 import b64encode
from hashlib import sha256

from chainfleet.drivers.kubernetes import names
from chainfleet.drivers.kubernetes.names import Manifest, common_labels, manifest
from chainfleet.drivers.kubernetes.yaml_text import document_text
from chainfleet.model.fleet import Fleet, Region

from . import configuration as config
from . import workloads
from .access import PROMETHEUS, network_policies, rights
from .configuration import alertmanager_configuration, central_configuration, region_configuration
from .dashboards import central_dashboards, region_dashboards
from .rules import rule_files, rules

WORKLOADS = ("StatefulSet", "DaemonSet", "Deployment")


def monitoring_manifests(fleet: Fleet, region: Region) -> list[Manifest]:
    """Return the objects of task `monitoring/install/{region}`; the Secret they mount isn't among them."""
    labels = common_labels(fleet.name, region.name)
    monitoring = fleet.monitoring
    configuration = document_text(region_configuration(fleet, region))
    alerts = document_text(rules(fleet, [region])) if monitoring.collector == "prometheus" else ""
    checksum = _checksum(configuration, alerts)
    found = [
        _namespace(labels),
        *rights(fleet, labels),
        _config_map("prometheus-config", labels, {"prometheus.yml": configuration}),
        _config_map("prometheus-rules", labels, {"region.yml": alerts} if alerts else {}),
        *network_policies(fleet, labels),
        workloads.service(PROMETHEUS, config.PROMETHEUS_PORT, labels),
        workloads.prometheus(fleet, region, labels, checksum),
        workloads.node_exporter(fleet, region, labels),
        *_dashboards(fleet, labels),
    ]
    if monitoring.alert_webhook is not None:
        routes = document_text(alertmanager_configuration(fleet))
        found += [
            _config_map("alertmanager-config", labels, {"alertmanager.yml": routes}),
            workloads.service(config.ALERTMANAGER, config.ALERTMANAGER_PORT, labels),
            workloads.alertmanager(fleet, region, labels, _checksum(routes)),
        ]
    if monitoring.kube_state_image is not None:
        found.append(workloads.kube_state(fleet, region, labels))
    return found


def central_files(fleet: Fleet) -> dict[str, str]:
    """Return the files of a central Prometheus, Alertmanager and Grafana, by their path."""
    files = {
        "prometheus.yml": document_text(central_configuration(fleet)),
        "alertmanager.yml": document_text(alertmanager_configuration(fleet)),
    }
    files |= {f"rules/{name}": document_text(content) for name, content in rule_files(fleet).items()}
    boards = central_dashboards(fleet)
    return files | {f"dashboards/{name}.json": _json(board) for name, board in boards.items()}


def credentials(fleet: Fleet, region: Region, values: dict[str, str]) -> Manifest:
    """Return the Secret with what the fleet only refers to: never rendered, only applied."""
    return manifest(
        "v1",
        "Secret",
        workloads.CREDENTIALS,
        namespace=names.MONITORING_NAMESPACE,
        labels=common_labels(fleet.name, region.name),
        type="Opaque",
        data={key: b64encode(value.encode()).decode() for key, value in values.items()},
    )


def references(fleet: Fleet) -> dict[str, str]:
    """Return the entries that the Secret needs, each with the fleet's `${NAME}`."""
    monitoring, found = fleet.monitoring, {}
    if monitoring.remote_write is not None and monitoring.remote_write.token is not None:
        found[config.REMOTE_WRITE_TOKEN] = monitoring.remote_write.token
    if monitoring.alert_webhook is not None:
        found[config.ALERT_WEBHOOK] = monitoring.alert_webhook
    return found


def _namespace(labels: dict[str, str]) -> Manifest:
    return manifest(
        "v1",
        "Namespace",
        names.MONITORING_NAMESPACE,
        labels=labels | {"pod-security.kubernetes.io/enforce": "restricted"},
    )


def _dashboards(fleet: Fleet, labels: dict[str, str]) -> list[Manifest]:
    """ConfigMaps as Grafana's sidecar looks for them."""
    boards = region_dashboards(fleet)
    marked = labels | {"grafana_dashboard": "1"}
    return [
        _config_map(f"dashboard-{name}", marked, {f"{name}.json": _compact(board)})
        for name, board in boards.items()
    ]


def _config_map(name: str, labels: dict[str, str], data: dict[str, str]) -> Manifest:
    return manifest("v1", "ConfigMap", name, namespace=names.MONITORING_NAMESPACE, labels=labels, data=data)


def _checksum(*texts: str) -> str:
    return sha256("\0".join(texts).encode()).hexdigest()


def _json(board: object) -> str:
    return json.dumps(board, indent=1, sort_keys=True) + "\n"


def _compact(board: object) -> str:
    """For clusters, which nobody reads by eye: a tenth of the time, half of the size."""
    return json.dumps(board, sort_keys=True, separators=(",", ":"))

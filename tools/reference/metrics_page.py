"""Metrics: every one, every alert, every recording rule of the example."""

from __future__ import annotations

from pathlib import Path

from writing import code, page, table

from chainfleet.drivers.monitoring.exporter import CHAIN_METRICS
from chainfleet.drivers.monitoring.rules import Alert, Record
from chainfleet.drivers.monitoring.rules.building import duration
from chainfleet.drivers.monitoring.rules.deployment import deployment_alert_rules
from chainfleet.drivers.monitoring.rules.network import network_alert_rules, network_records
from chainfleet.drivers.monitoring.rules.region import region_alert_rules, region_records
from chainfleet.model.fleet import Fleet
from chainfleet.model.fleet_file import load_fleet
from chainfleet.model.fleet_monitoring import RemoteWrite
from chainfleet.model.metric import Metric
from chainfleet.runtime.telemetry import RUN_METRICS

ROOT = Path(__file__).parents[2]

HEAD = """Thresholds are those of `examples/chain-138.yaml` (period 5 s, 48 validators, quorum 32) with everything
switched on; yours follow from your fleet. What to do when an alert fires is in the
[runbooks](../operate/monitoring.md#runbooks)."""


def metric_page() -> str:
    """The page as text."""
    fleet = example()
    return page(
        "Metrics and alerts",
        HEAD,
        "## The chain exporter\n\nServed by `chainfleet exporter FLEET`, for Prometheus as text or OpenMetrics.",
        _metrics(CHAIN_METRICS),
        "## A run of chainfleet\n\nServed by `deploy`, `resume`, `retry`, `verify` and `destroy` where "
        "`CHAINFLEET_METRICS_PORT` is set. All carry `fleet` and `run`.",
        _metrics(RUN_METRICS),
        "## Recording rules",
        _records([*region_records(fleet, fleet.regions[:1]), *network_records(fleet)]),
        "## Alerts\n\n### In every region",
        _alerts(region_alert_rules(fleet)),
        "### Of the network, by the chain exporter",
        _alerts(network_alert_rules(fleet)),
        "### Of a deployment",
        _alerts(deployment_alert_rules()),
    )


def example() -> Fleet:
    """The example with everything switched on."""
    path = ROOT / "examples" / "chain-138.yaml"
    fleet = load_fleet(str(path), lambda name: Path(name).read_text(encoding="utf-8"), {}).fleet
    more = {
        "alert_webhook": "${ALERT_WEBHOOK}",
        "remote_write": RemoteWrite(url="https://central.example/api/v1/write"),
        "kube_state_image": "kube-state-metrics:v2.17.0",
    }
    return fleet.model_copy(update={"monitoring": fleet.monitoring.model_copy(update=more)})


def _metrics(metrics: tuple[Metric, ...]) -> str:
    rows = [(code(m.name), m.kind, ", ".join(code(label) for label in m.labels), m.help) for m in metrics]
    return table(("metric", "kind", "labels", "meaning"), rows)


def _records(records: list[Record]) -> str:
    return table(("name", "expression"), [(code(r.name), code(r.expression)) for r in records])


def _alerts(alerts: list[Alert]) -> str:
    rows = [
        (
            f"[{a.name}](../operate/monitoring.md#{a.name.lower()})",
            a.severity,
            code(a.expression),
            duration(a.hold_s) if a.hold_s else "at once",
        )
        for a in alerts
    ]
    return table(("alert", "severity", "while", "for"), rows)

"""Writes docs/reference/metrics.md from the code: every metric, every alert, every recording rule of the example."""

from __future__ import annotations

from pathlib import Path

from chainfleet.drivers.monitoring.exporter import CHAIN_METRICS
from chainfleet.drivers.monitoring.rules import Alert, Record
from chainfleet.drivers.monitoring.rules.building import duration
from chainfleet.drivers.monitoring.rules.deployment import deployment_alert_rules
from chainfleet.drivers.monitoring.rules.network import network_alert_rules, network_records
from chainfleet.drivers.monitoring.rules.region import region_alert_rules, region_records
from chainfleet.model.fleet import Fleet, RemoteWrite
from chainfleet.model.fleet_file import load_fleet
from chainfleet.model.metric import Metric
from chainfleet.runtime.telemetry import RUN_METRICS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reference" / "metrics.md"

HEAD = """# Metrics and alerts

Made from the code by `python tools/metric_reference.py`; a test fails where the two differ. Thresholds are those of
`examples/chain-138.yaml` (period 5 s, 48 validators, quorum 32) with everything switched on; yours follow from your
fleet. What to do when an alert fires is in the [runbooks](../operate/monitoring.md#runbooks).
"""


def page() -> str:
    """The page as text."""
    fleet = example()
    parts = [
        HEAD,
        "## The chain exporter\n\nServed by `chainfleet exporter FLEET`, for Prometheus as text or OpenMetrics.\n",
        _metrics(CHAIN_METRICS),
        "## A run of chainfleet\n\nServed by `deploy`, `resume`, `retry`, `verify` and `destroy` where "
        "`CHAINFLEET_METRICS_PORT` is set. All carry `fleet` and `run`.\n",
        _metrics(RUN_METRICS),
        "## Recording rules\n",
        _records([*region_records(fleet, fleet.regions[:1]), *network_records(fleet)]),
        "## Alerts\n\n### In every region\n",
        _alerts(region_alert_rules(fleet)),
        "### Of the network, by the chain exporter\n",
        _alerts(network_alert_rules(fleet)),
        "### Of a deployment\n",
        _alerts(deployment_alert_rules()),
    ]
    return "\n".join(parts)


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
    rows = [
        f"| `{m.name}` | {m.kind} | {', '.join(f'`{label}`' for label in m.labels)} | {m.help} |"
        for m in metrics
    ]
    return _table("| metric | kind | labels | meaning |", rows)


def _records(records: list[Record]) -> str:
    return _table("| name | expression |", [f"| `{r.name}` | {_code(r.expression)} |" for r in records])


def _alerts(alerts: list[Alert]) -> str:
    rows = [
        f"| [{a.name}](../operate/monitoring.md#{a.name.lower()}) | {a.severity} | {_code(a.expression)} "
        f"| {duration(a.hold_s) if a.hold_s else 'at once'} |"
        for a in alerts
    ]
    return _table("| alert | severity | while | for |", rows)


def _table(head: str, rows: list[str]) -> str:
    columns = head.count("|") - 1
    return "\n".join([head, "|" + " --- |" * columns, *rows]) + "\n"


def _code(expression: str) -> str:
    return "`" + expression.replace("|", "\\|") + "`"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

"""What Prometheus and Alertmanager are told: whom to scrape, what to keep, whom to tell."""

from __future__ import annotations

from typing import Any

from chainfleet.drivers.kubernetes import names
from chainfleet.model.fleet import Fleet, Region

from .rules.building import duration
from .thresholds import Thresholds

PROMETHEUS_PORT = 9090
ALERTMANAGER_PORT = 9093
NODE_EXPORTER_PORT = 9100
KUBE_STATE_PORT = 8080
KUBELET_PORT = 10250
CHAIN_EXPORTER_PORT = 9606
DEPLOYMENT_PORT = 9607

ALERTMANAGER = "alertmanager"
SECRETS_FOLDER = "/etc/monitoring/secrets"
REMOTE_WRITE_TOKEN = "remote-write-token"  # noqa: S105 - the name of a file
ALERT_WEBHOOK = "alert-webhook"

_SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
_POD = "__meta_kubernetes_pod_"
_APP = f"{_POD}label_app_kubernetes_io_"
_KUBELET_KEPT = "kubelet_volume_stats_(available|capacity)_bytes"
_RESOURCES_KEPT = "container_(cpu_usage_seconds_total|memory_working_set_bytes|start_time_seconds)"

Json = dict[str, Any]


def region_configuration(fleet: Fleet, region: Region) -> Json:
    """Return `prometheus.yml` of a region, for a server or an agent."""
    monitoring = fleet.monitoring
    configuration: Json = {"global": _global(fleet, region=region.name)}
    if monitoring.collector == "prometheus":
        configuration["rule_files"] = ["/etc/prometheus/rules/*.yml"]
        configuration["global"]["evaluation_interval"] = configuration["global"]["scrape_interval"]
        if monitoring.alert_webhook is not None:
            configuration["alerting"] = _alerting(f"{ALERTMANAGER}:{ALERTMANAGER_PORT}")
    configuration["scrape_configs"] = region_jobs(fleet, region)
    if monitoring.remote_write is not None:
        write: Json = {"url": monitoring.remote_write.url}
        if monitoring.remote_write.token is not None:
            write["authorization"] = {"credentials_file": f"{SECRETS_FOLDER}/{REMOTE_WRITE_TOKEN}"}
        configuration["remote_write"] = [write]
    return configuration


def central_configuration(fleet: Fleet) -> Json:
    """Return `prometheus.yml` of the central Prometheus, which takes remote writes and scrapes chainfleet."""
    targets = list(fleet.monitoring.exporter_targets) or [f"127.0.0.1:{CHAIN_EXPORTER_PORT}"]
    shared = _global(fleet)
    return {
        "global": {**shared, "evaluation_interval": shared["scrape_interval"]},
        "rule_files": ["rules/*.yml"],
        "alerting": _alerting(f"127.0.0.1:{ALERTMANAGER_PORT}"),
        "scrape_configs": [
            {"job_name": "chain-exporter", "static_configs": [{"targets": targets}]},
            {"job_name": "chainfleet", "static_configs": [{"targets": [f"127.0.0.1:{DEPLOYMENT_PORT}"]}]},
            {"job_name": "prometheus", "static_configs": [{"targets": [f"localhost:{PROMETHEUS_PORT}"]}]},
        ],
    }


def alertmanager_configuration(fleet: Fleet) -> Json:
    """Return `alertmanager.yml`: what wakes somebody, what waits, and what a cause silences."""
    limits = Thresholds.of(fleet)
    webhook = {"url_file": f"{SECRETS_FOLDER}/{ALERT_WEBHOOK}", "send_resolved": True}
    return {
        "route": {
            "receiver": "webhook",
            # One message per cause: 24 regions that stall are one stall.
            "group_by": ["fleet", "alertname"],
            "group_wait": duration(limits.hold_s(2)),
            "group_interval": "5m",
            "repeat_interval": "12h",
            "routes": [
                {"matchers": ['alertname="Watchdog"'], "receiver": "webhook", "repeat_interval": "5m"},
                {"matchers": ['severity="critical"'], "receiver": "webhook", "repeat_interval": "1h"},
            ],
        },
        "receivers": [{"name": "webhook", "webhook_configs": [webhook]}],
        "inhibit_rules": [
            _inhibit(
                "NetworkStalled|ChainStalled", "BlocksSlow|RoundsRising|NetworkRoundsRising|HeadFromTheFuture"
            ),
            _inhibit("QuorumLost|NetworkQuorumLost", "QuorumThin|NetworkQuorumThin|PeersLow"),
            _inhibit("RegionLost|RegionSilent", "ValidatorDown|ValidatorSilent|ValidatorBehind", "region"),
        ],
    }


def region_jobs(fleet: Fleet, region: Region) -> list[Json]:
    """Return the scrape jobs of a region."""
    jobs = [
        {
            "job_name": "prometheus",
            "static_configs": [
                {"targets": [f"localhost:{PROMETHEUS_PORT}"], "labels": {"region": region.name}}
            ],
        },
        _pods("besu-validator", names.NAMESPACE, "component", "validator", region),
        _pods("node", names.MONITORING_NAMESPACE, "name", "node-exporter", region),
        _kubelet("kubelet", "/metrics", _KUBELET_KEPT, region),
        _kubelet("kubelet-resource", "/metrics/resource", _RESOURCES_KEPT, region),
    ]
    if fleet.monitoring.kube_state_image:
        # It speaks of other pods: its own labels are the ones that count.
        job = _pods("kube-state", names.MONITORING_NAMESPACE, "name", "kube-state-metrics", region)
        jobs.append({**job, "honor_labels": True})
    return jobs


def _global(fleet: Fleet, **labels: str) -> Json:
    interval = fleet.monitoring.scrape_interval_seconds
    return {
        "scrape_interval": f"{interval}s",
        # A scrape that takes longer than the interval would pile up.
        "scrape_timeout": f"{min(10, interval)}s",
        "external_labels": {"fleet": fleet.name, **labels, "chain_id": str(fleet.network.chain_id)},
    }


def _alerting(target: str) -> Json:
    return {"alertmanagers": [{"static_configs": [{"targets": [target]}]}]}


def _inhibit(cause: str, effects: str, *equal: str) -> Json:
    return {
        "source_matchers": [f'alertname=~"{cause}"'],
        "target_matchers": [f'alertname=~"{effects}"'],
        "equal": ["fleet", *equal],
    }


def _pods(job: str, namespace: str, label: str, value: str, region: Region) -> Json:
    return {
        "job_name": job,
        "metrics_path": "/metrics",
        "kubernetes_sd_configs": [{"role": "pod", "namespaces": {"names": [namespace]}}],
        "relabel_configs": [
            {"source_labels": [f"{_APP}{label}"], "regex": value, "action": "keep"},
            {"source_labels": [f"{_POD}container_port_name"], "regex": "metrics", "action": "keep"},
            {"source_labels": [f"{_APP}instance"], "regex": "(.+)", "target_label": "validator"},
            {"source_labels": [f"{_POD}node_name"], "target_label": "node"},
            {"target_label": "region", "replacement": region.name},
        ],
    }


def _kubelet(job: str, path: str, kept: str, region: Region) -> Json:
    return {
        "job_name": job,
        "metrics_path": path,
        "scheme": "https",
        # Kubelets sign their own certificates on most clouds.
        "tls_config": {"ca_file": f"{_SERVICE_ACCOUNT}/ca.crt", "insecure_skip_verify": True},
        "authorization": {"credentials_file": f"{_SERVICE_ACCOUNT}/token"},
        "kubernetes_sd_configs": [{"role": "node"}],
        "relabel_configs": [
            {"source_labels": ["__meta_kubernetes_node_name"], "target_label": "node"},
            {"target_label": "region", "replacement": region.name},
        ],
        "metric_relabel_configs": [
            {"source_labels": ["__name__"], "regex": kept, "action": "keep"},
            {"source_labels": ["namespace"], "regex": names.NAMESPACE, "action": "keep"},
        ],
    }

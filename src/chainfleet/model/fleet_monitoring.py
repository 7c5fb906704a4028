"""The part of a fleet that says what watches it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, StringConstraints, model_validator

from .fleet_parts import Part, Seconds, SecretReference, measured


class RemoteWrite(Part):
    """A central Prometheus (or anything that speaks remote write) that regions send their samples to."""

    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$")] = Field(
        examples=["https://metrics.example/api/v1/write"]
    )
    """Address that samples are posted to."""
    token: SecretReference | None = Field(None, examples=["${REMOTE_WRITE_TOKEN}"])
    """Bearer token, where the address needs one."""


class Monitoring(Part):
    """What watches the network."""

    enabled: bool = True
    """Whether anything is installed to watch the network."""
    collector: Literal["prometheus", "agent"] = "prometheus"
    """What runs in a region: a Prometheus with rules of its own, or an agent that only sends on."""
    retention_days: Annotated[PositiveInt, measured("days")] = 15
    """How long a region keeps its samples."""
    scrape_interval_seconds: Seconds = 15
    """Time between two samples."""
    remote_write: RemoteWrite | None = None
    """Where samples are sent to; an agent needs it."""
    alert_webhook: SecretReference | None = Field(None, examples=["${ALERT_WEBHOOK}"])
    """Address that alerts are posted to; an Alertmanager runs in every region where it is given."""
    exporter_targets: tuple[str, ...] = Field((), examples=[["exporter.example:9606"]])
    """HOST:PORT of chain exporters, for the central Prometheus."""
    runbooks_url: str = "docs/operate/monitoring.md"
    """Address of the runbook page that alerts link to."""
    prometheus_image: str = "prom/prometheus"
    """Image of Prometheus, without tag."""
    prometheus_version: str = "v3.5.0"
    """Its tag."""
    alertmanager_image: str = "prom/alertmanager:v0.28.1"
    """Image of the Alertmanager, with tag."""
    node_exporter_image: str = "prom/node-exporter:v1.9.1"
    """Image of the node exporter, with tag."""
    kube_state_image: str | None = Field(None, examples=["kube-state-metrics:v2.17.0"])
    """kube-state-metrics with its tag; deployed and scraped where given."""

    @model_validator(mode="after")
    def _agent_sends_somewhere(self) -> Monitoring:
        if self.collector == "agent" and self.remote_write is None:
            raise ValueError("an agent keeps nothing: give remote_write.url, or collector: prometheus")
        if self.collector == "agent" and self.alert_webhook is not None:
            raise ValueError("an agent evaluates no alerts: let the central Prometheus post to alert_webhook")
        return self

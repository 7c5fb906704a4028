"""What the living network says of itself, and where regions lie."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from .common import Told, Wall
from .runs import LimitState, Outlook


class NodeHealth(Told):
    """One validator."""

    region: str
    index: int
    problem: str = ""
    head: int | None = None
    head_age_s: float | None = None
    peers: int | None = None
    round: int | None = None
    version: str | None = None


class RegionHealth(Told):
    """One region's validators together."""

    region: str
    validators: int
    answering: int
    head: int | None = None
    head_age_s: float | None = None
    peers_min: int | None = None
    round: int | None = None


class NetworkHealth(Told):
    """The network as a whole."""

    validators: int
    answering: int
    quorum: int
    margin: int = Field(description="Validators that may still fall silent before blocks stop.")
    head: int | None = None
    head_age_s: float | None = None
    spread: int = 0
    peers_min: int | None = None
    round: int | None = None
    rounds: list[int] = Field([], description="Rounds that sealed the recent blocks, oldest first.")
    silent: list[str] = []
    genesis_hash: str | None = None


class OracleHealth(Told):
    """The feed on one chain."""

    chain: str
    address: str
    age_s: float | None = Field(None, description="Seconds since the last round was written.")
    round: int | None = None
    fresh: bool | None = Field(None, description="Whether it is younger than the heartbeat.")
    equal: bool | None = Field(None, description="Whether the round read back equal.")
    problem: str = ""


class Alert(Told):
    """Something that wants a look."""

    severity: Literal["info", "warning", "critical"]
    name: str
    text: str
    region: str | None = None
    since_wall: Wall | None = None


class MonitoringSample(Told):
    """Everything at one moment."""

    environment: str
    state: Literal["live", "stale", "never", "unreachable"]
    wall: Wall | None = None
    problem: str = ""
    network: NetworkHealth | None = None
    regions: list[RegionHealth] = []
    nodes: list[NodeHealth] = []
    oracle: list[OracleHealth] = []
    limits: list[LimitState] = Field([], description="API limits and slots of the last run, with headroom.")
    outlook: Outlook | None = None
    alerts: list[Alert] = []


class HistoryPoint(Told):
    """One moment of the plots."""

    wall: Wall
    head: int | None = None
    head_age_s: float | None = None
    round: int | None = None
    peers_min: int | None = None
    answering: int = 0
    margin: int = 0
    oracle_age_s: float | None = None
    heads: dict[str, int | None] = Field({}, description="Highest block by region.")


class MonitoringHistory(Told):
    """Moments for plots, oldest first."""

    environment: str
    step_s: float
    points: list[HistoryPoint]


class LimitsView(Told):
    """Limits and queues of the running or last run."""

    environment: str
    run: str | None = None
    outlook: Outlook | None = None
    history: list[Outlook] = []


class RegionFactsView(Told):
    """A region that a fleet can name."""

    name: str
    cloud: str
    display_name: str
    continent: str = ""
    latitude: float | None = None
    longitude: float | None = None
    zones: int = 0
    restricted: bool = False
    time_zone: str = Field("", description="IANA name, for local time.")
    environments: list[str] = []


class RegionDetail(RegionFactsView):
    """A region with its past."""

    history: list[RegionRun] = []
    median_s: dict[str, float] = Field({}, description="Median duration of each phase, in seconds.")


class RegionRun(Told):
    """How a region fared in one run."""

    environment: str
    run: str
    verdict: str
    wall: Wall
    phases: dict[str, float] = Field(description="Seconds of work by phase.")
    errors: list[str] = []


class ServerFigures(Told):
    """What the portal's own process does."""

    figures: dict[str, Any]


RegionDetail.model_rebuild()

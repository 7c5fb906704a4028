"""What the living network says of itself, and where regions lie."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from .common import Told, Wall
from .runs import LimitState, Outlook


class NodeHealth(Told):
    """One validator."""

    region: str
    """The region."""
    index: int
    """Number of the validator in its region, from 0."""
    problem: str = ""
    """What is wrong; empty or null where nothing is."""
    head: int | None = None
    """Number of the newest block told."""
    head_age_s: float | None = None
    """Seconds since that block's timestamp."""
    peers: int | None = None
    """Its peers."""
    round: int | None = None
    """Round of consensus that sealed the block."""
    version: str | None = None
    """What the node says that it is."""


class RegionHealth(Told):
    """One region's validators together."""

    region: str
    """The region."""
    validators: int
    """Validators that the fleet declares."""
    answering: int
    """Validators that answer JSON-RPC."""
    head: int | None = None
    """Number of the newest block told."""
    head_age_s: float | None = None
    """Seconds since that block's timestamp."""
    peers_min: int | None = None
    """Fewest peers that one of the validators has."""
    round: int | None = None
    """Round of consensus that sealed the block."""


class NetworkHealth(Told):
    """The network as a whole."""

    validators: int
    """Validators that the fleet declares."""
    answering: int
    """Validators that answer JSON-RPC."""
    quorum: int
    """Validators that must agree on a block."""
    margin: int = Field(description="Validators that may still fall silent before blocks stop.")
    head: int | None = None
    """Number of the newest block told."""
    head_age_s: float | None = None
    """Seconds since that block's timestamp."""
    spread: int = 0
    """Blocks between the highest and the lowest head told."""
    peers_min: int | None = None
    """Fewest peers that one of the validators has."""
    round: int | None = None
    """Round of consensus that sealed the block."""
    rounds: list[int] = Field([], description="Rounds that sealed the recent blocks, oldest first.")
    silent: list[str] = []
    """Validators without a seal in recent blocks."""
    genesis_hash: str | None = None
    """Hash of block 0 that all who answer agree on."""


class OracleHealth(Told):
    """The feed on one chain."""

    chain: str
    """Name of the chain."""
    address: str
    """Address of its contract."""
    age_s: float | None = Field(None, description="Seconds since the last round was written.")
    round: int | None = None
    """Number of its last answered round."""
    fresh: bool | None = Field(None, description="Whether it is younger than the heartbeat.")
    equal: bool | None = Field(None, description="Whether the round read back equal.")
    problem: str = ""
    """What is wrong; empty or null where nothing is."""


class Alert(Told):
    """Something that wants a look."""

    severity: Literal["info", "warning", "critical"]
    """How bad it is."""
    name: str
    """Name of the alert."""
    text: str
    """What is wrong, in one line."""
    region: str | None = None
    """The region that it is about; null for the network."""
    since_wall: Wall | None = None


class MonitoringSample(Told):
    """Everything at one moment."""

    environment: str
    """Name of the environment."""
    state: Literal["live", "stale", "never", "unreachable"]
    """How the network stands."""
    wall: Wall | None = None
    problem: str = ""
    """What is wrong; empty or null where nothing is."""
    network: NetworkHealth | None = None
    """The network as a whole, if it could be asked."""
    regions: list[RegionHealth] = []
    """Regions one by one."""
    nodes: list[NodeHealth] = []
    """Validators one by one."""
    oracle: list[OracleHealth] = []
    """The feed on each chain."""
    limits: list[LimitState] = Field([], description="API limits and slots of the last run, with headroom.")
    outlook: Outlook | None = None
    """When it will end and what binds it, while it goes on."""
    alerts: list[Alert] = []
    """What wants a look, the worst first."""


class HistoryPoint(Told):
    """One moment of the plots."""

    wall: Wall
    head: int | None = None
    """Number of the newest block told."""
    head_age_s: float | None = None
    """Seconds since that block's timestamp."""
    round: int | None = None
    """Round of consensus that sealed the block."""
    peers_min: int | None = None
    """Fewest peers that one of the validators has."""
    answering: int = 0
    """Validators that answer JSON-RPC."""
    margin: int = 0
    """Validators that may still fall silent before blocks stop."""
    oracle_age_s: float | None = None
    """Seconds since its last round was written."""
    heads: dict[str, int | None] = Field({}, description="Highest block by region.")


class MonitoringHistory(Told):
    """Moments for plots, oldest first."""

    environment: str
    """Name of the environment."""
    step_s: float
    """Seconds between two points."""
    points: list[HistoryPoint]
    """Samples, oldest first."""


class LimitsView(Told):
    """Limits and queues of the running or last run."""

    environment: str
    """Name of the environment."""
    run: str | None = None
    """The run that it is about; null where there was none."""
    outlook: Outlook | None = None
    """When it will end and what binds it, while it goes on."""
    history: list[Outlook] = []
    """How limits stood before, oldest first."""


class RegionFactsView(Told):
    """A region that a fleet can name."""

    name: str
    """As its cloud writes it."""
    cloud: str
    """azure, aws, gcp or kubeconfig."""
    display_name: str
    """Its name for people."""
    continent: str = ""
    """Where it lies; empty where not known."""
    latitude: float | None = None
    """Degrees north; null where not known."""
    longitude: float | None = None
    """Degrees east; null where not known."""
    zones: int = 0
    """Availability zones; null where not known."""
    restricted: bool = False
    """Whether the cloud reserves access to it."""
    time_zone: str = Field("", description="IANA name, for local time.")
    environments: list[str] = []
    """Environments that have it."""


class RegionDetail(RegionFactsView):
    """A region with its past."""

    history: list[RegionRun] = []
    """What runs did there, newest first."""
    median_s: dict[str, float] = Field({}, description="Median duration of each phase, in seconds.")


class RegionRun(Told):
    """How a region fared in one run."""

    environment: str
    """Name of the environment."""
    run: str
    """Name of the run."""
    verdict: str
    """How it ended; null while it goes on."""
    wall: Wall
    phases: dict[str, float] = Field(description="Seconds of work by phase.")
    errors: list[str] = []
    """What went wrong there."""


class ServerFigures(Told):
    """What the portal's own process does."""

    figures: dict[str, Any]


RegionDetail.model_rebuild()

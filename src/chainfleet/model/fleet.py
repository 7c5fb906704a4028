"""The fleet: what the operator declares in `fleet.yaml`, checked and with every default filled in."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
    model_validator,
)

from .task import Mode

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,38}[a-z0-9]$")]
Address = Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{40}$")]
SecretReference = Annotated[str, StringConstraints(pattern=r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}$")]
"""`${NAME}`: an environment variable that is read at the moment of use and kept nowhere else."""
Cloud = Literal["azure", "aws", "gcp", "kubeconfig"]


class Part(BaseModel):
    """Base of every part of a fleet: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Allocation(Part):
    """An account that has a balance in the genesis block."""

    address: Address
    balance_wei: Annotated[int, Field(ge=0)] = 10**24


class Network(Part):
    """The chain: consensus, timing and the node image."""

    chain_id: PositiveInt
    consensus: Literal["qbft", "ibft2"] = "qbft"
    validators_per_region: Annotated[int, Field(ge=1, le=16)] = 2
    besu_version: Annotated[str, StringConstraints(pattern=r"^\d{2}\.\d{1,2}\.\d+$")] = "26.8.0"
    image: str = "hyperledger/besu"
    image_digest: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None
    block_period_seconds: PositiveInt = 5
    request_timeout_seconds: PositiveInt = 10
    empty_block_period_seconds: Annotated[int, Field(ge=0)] = 0
    epoch_length: PositiveInt = 30000
    gas_limit: PositiveInt = 30_000_000
    zero_base_fee: bool = True
    forks: Literal["london", "shanghai", "cancun", "prague"] = "cancun"
    storage_format: Literal["BONSAI", "FOREST"] = "BONSAI"
    discovery: bool = False
    p2p_port: Annotated[int, Field(ge=1, le=65535)] = 30303
    rpc_port: Annotated[int, Field(ge=1, le=65535)] = 8545
    metrics_port: Annotated[int, Field(ge=1, le=65535)] = 9545
    rpc_apis: tuple[str, ...] = ("ETH", "NET", "WEB3", "QBFT", "ADMIN", "TXPOOL")
    disk_gib: PositiveInt = 128
    cpu: PositiveFloat = 2.0
    memory_gib: PositiveFloat = 8.0
    heap_gib: PositiveFloat = 4.0
    allocations: tuple[Allocation, ...] = ()


class Region(Part):
    """One site: a cloud's region or an existing cluster."""

    name: Name
    cloud: Cloud = "azure"
    validators: Annotated[int, Field(ge=0, le=16)] | None = None
    cidr: IPv4Network | None = None
    context: str | None = None
    """Context of the kubeconfig, for `cloud: kubeconfig`."""
    addresses: tuple[str, ...] = ()
    """Addresses that peers dial, one per validator, for `cloud: kubeconfig`."""


class CloudSettings(Part):
    """What a fleet's regions have in common in one cloud."""

    resource_prefix: Name | None = None
    """Start of every resource's name; the fleet's name where not given."""
    kubernetes_version: str = "1.34"
    validator_nodes: PositiveInt = 2
    system_nodes: PositiveInt = 1
    system_vm_size: str = ""
    validator_vm_size: str = ""


class AzureCloud(CloudSettings):
    """Where in Azure the fleet lives; every value may be an `${ENV}` reference."""

    subscription_id: str = "${AZURE_SUBSCRIPTION_ID}"
    tenant_id: str = "${AZURE_TENANT_ID}"
    system_vm_size: str = "Standard_D4s_v5"
    validator_vm_size: str = "Standard_D4s_v5"


class AwsCloud(CloudSettings):
    """Where in AWS the fleet lives; every value may be an `${ENV}` reference."""

    account_id: str = "${AWS_ACCOUNT_ID}"
    system_vm_size: str = "m6i.xlarge"
    validator_vm_size: str = "m6i.xlarge"


class GcpCloud(CloudSettings):
    """Where in Google Cloud the fleet lives; every value may be an `${ENV}` reference."""

    project: str = "${GOOGLE_CLOUD_PROJECT}"
    system_vm_size: str = "n2-standard-4"
    validator_vm_size: str = "n2-standard-4"


class Clouds(Part):
    """Settings of the clouds that regions name."""

    azure: AzureCloud = AzureCloud()
    aws: AwsCloud = AwsCloud()
    gcp: GcpCloud = GcpCloud()

    def settings_of(self, cloud: str) -> CloudSettings:
        """Settings of a cloud; KeyError for existing clusters, which have none."""
        return {"azure": self.azure, "aws": self.aws, "gcp": self.gcp}[cloud]

    def account_of(self, cloud: str) -> str:
        """Subscription, account or project in a cloud; KeyError for existing clusters, which have none."""
        accounts = {
            "azure": self.azure.subscription_id,
            "aws": self.aws.account_id,
            "gcp": self.gcp.project,
        }
        return accounts[cloud]


class Chain(Part):
    """A chain that contracts go to."""

    name: Name
    chain_id: PositiveInt
    rpc_url: str | None = None
    """JSON-RPC address; None means the fleet's own network, reached through its clusters."""
    confirmations: Annotated[int, Field(ge=0)] = 1
    evm_version: Literal["london", "paris", "shanghai", "cancun"] = "paris"
    deployer: str = "${CHAINFLEET_DEPLOYER_KEY}"
    """Reference to the deployer's key: an environment variable or `keystore:FILE`."""
    ccip_router: Address | None = None


class Oracle(Part):
    """The feed that the contracts carry."""

    description: str = "ETH / USD"
    decimals: Annotated[int, Field(ge=0, le=18)] = 8
    minimum_answer: int = 1
    maximum_answer: int = 10**14
    heartbeat_seconds: PositiveInt = 3600
    deviation_bps: Annotated[int, Field(ge=0, le=10_000)] = 50
    timeout_seconds: PositiveInt = 600
    first_answer: int = 300_000_000_000
    """Answer of the first round, in units of 10^-decimals."""


class Contracts(Part):
    """What is deployed to which chains."""

    chains: tuple[Chain, ...] = ()
    oracle: Oracle = Oracle()
    admin: Address | None = None
    """Who administers the contracts in the end; the deployer where not given."""


class RemoteWrite(Part):
    """A central Prometheus (or anything that speaks remote write) that regions send their samples to."""

    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s]+$")]
    token: SecretReference | None = None
    """Bearer token; None where the address needs none."""


class Monitoring(Part):
    """What watches the network."""

    enabled: bool = True
    collector: Literal["prometheus", "agent"] = "prometheus"
    """What runs in a region: a Prometheus with rules of its own, or an agent that only sends on."""
    retention_days: PositiveInt = 15
    scrape_interval_seconds: PositiveInt = 15
    remote_write: RemoteWrite | None = None
    """Where samples are sent to; an agent needs it."""
    alert_webhook: SecretReference | None = None
    """Address that alerts are posted to; an Alertmanager runs in every region where it is given."""
    exporter_targets: tuple[str, ...] = ()
    """HOST:PORT of chain exporters, for the central Prometheus."""
    runbooks_url: str = "docs/operate/monitoring.md"
    """Address of the runbook page that alerts link to."""
    prometheus_image: str = "prom/prometheus"
    prometheus_version: str = "v3.5.0"
    alertmanager_image: str = "prom/alertmanager:v0.28.1"
    node_exporter_image: str = "prom/node-exporter:v1.9.1"
    kube_state_image: str | None = None
    """kube-state-metrics with its tag; deployed and scraped where given."""

    @model_validator(mode="after")
    def _agent_sends_somewhere(self) -> Monitoring:
        if self.collector == "agent" and self.remote_write is None:
            raise ValueError("an agent keeps nothing: give remote_write.url, or collector: prometheus")
        if self.collector == "agent" and self.alert_webhook is not None:
            raise ValueError("an agent evaluates no alerts: let the central Prometheus post to alert_webhook")
        return self


class Ceilings(Part):
    """How many tasks of a phase may run at once; infrastructure also is Terraform's `-parallelism`."""

    infrastructure: PositiveInt = 128
    kubernetes: PositiveInt = 24
    besu: PositiveInt = 48
    contracts: PositiveInt = 2
    monitoring: PositiveInt = 24
    verification: PositiveInt = 48


class Retries(Part):
    """Retry policy: full-jitter exponential backoff."""

    attempts: PositiveInt = 6
    base_seconds: PositiveFloat = 2.0
    cap_seconds: PositiveFloat = 60.0


class StateBackend(Part):
    """Where Terraform keeps its states: one for each region and stage."""

    type: Literal["azurerm", "s3", "gcs", "http"]
    config: Mapping[str, str] = {}
    """The backend's own settings; `{fleet}`, `{region}` and `{stage}` in them are filled in. Credentials come from
    the environment, never from here."""


class TerraformLayout(Part):
    """How many regions share a Terraform root and its state."""

    layout: Literal["per-region", "grouped"] = "per-region"
    """`grouped` (Azure only) needs less memory and fewer cores; regions of a group then share a state and its lock."""
    regions_per_root: Annotated[int, Field(ge=2, le=64)] = 6


class Deployment(Part):
    """How the fleet is rolled out."""

    mode: Mode = Mode.ULTRA
    waves: tuple[int | str, ...] = ()
    """Sizes of the waves: numbers of regions (8, 16) or percentages ("25%")."""
    approval: bool = False
    """Gates between waves wait for a person's approval; what the check of the wave found is shown to them."""
    ceilings: Ceilings = Ceilings()
    retries: Retries = Retries()
    failed_regions_allowed: Annotated[int, Field(ge=0)] | None = None
    terraform: TerraformLayout = TerraformLayout()
    state: StateBackend | None = None
    """Where Terraform keeps its states; in the state folder where not given."""
    time_scale: PositiveFloat = 1.0
    """Expected and allowed durations are divided by this; only rehearsals and emulated clouds differ from 1."""


class Fleet(Part):
    """A whole fleet, resolved: regions are listed one by one and in order."""

    name: Name
    network: Network
    regions: tuple[Region, ...]
    clouds: Clouds = Clouds()
    contracts: Contracts = Contracts()
    monitoring: Monitoring = Monitoring()
    deployment: Deployment = Deployment()

    def validators_of(self, region: Region) -> int:
        """How many validators that region carries."""
        return self.network.validators_per_region if region.validators is None else region.validators

    @property
    def validator_count(self) -> int:
        """Validators of the whole network (N)."""
        return sum(self.validators_of(region) for region in self.regions)

    @property
    def resource_prefix(self) -> str:
        """Start of the names of cloud resources."""
        return self.clouds.azure.resource_prefix or self.name

    def region(self, name: str) -> Region:
        """Return the region with that name; KeyError if there is none."""
        for region in self.regions:
            if region.name == name:
                return region
        raise KeyError(name)

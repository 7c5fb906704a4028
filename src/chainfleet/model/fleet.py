"""The fleet: what the operator declares in `fleet.yaml`, checked and with every default filled in."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
)

from .fleet_monitoring import Monitoring
from .fleet_parts import Address, FineSeconds, Name, Part, Port, Seconds, measured
from .task import Mode

ChainId = Annotated[int, Field(ge=1, le=9_223_372_036_854_775_771)]
"""What a signature can carry (EIP-2294)."""
NonEmpty = Annotated[str, StringConstraints(min_length=1)]
ObjectId = Annotated[str, StringConstraints(pattern=r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")]


def _kept(days: int) -> int:
    if days != 0 and not 30 <= days <= 730:
        raise ValueError("0, or from 30 to 730 days")
    return days


def _word(number: int) -> int:
    if number >= 2**256:
        raise ValueError("below 2^256, which the EVM's words hold")
    return number


Retention = Annotated[int, Field(ge=0, le=730), AfterValidator(_kept), measured("days")]

Cloud = Literal["azure", "aws", "gcp", "kubeconfig"]


class Allocation(Part):
    """An account that has a balance in the genesis block."""

    address: Address = Field(examples=["0xfe3b557e8fb62b89f4916b721be55ceb828dbd73"])
    """The account."""
    balance_wei: Annotated[int, Field(ge=0), AfterValidator(_word), measured("wei")] = 10**24
    """What it holds in block 0."""


class Network(Part):
    """The chain: consensus, timing and the node image."""

    chain_id: ChainId = Field(examples=[138])
    """Chain id (EIP-155); part of every signature, so it can never change."""
    consensus: Literal["qbft", "ibft2"] = "qbft"
    """Consensus protocol. QBFT is for new networks, IBFT 2.0 for existing ones."""
    validators_per_region: Annotated[int, Field(ge=1, le=16)] = 2
    """Validators in each region that says nothing else. A region should hold fewer than the network can lose: (N - 1) / 3."""
    besu_version: Annotated[str, StringConstraints(pattern=r"^\d{2}\.\d{1,2}\.\d+$")] = "26.8.0"
    """Release of Besu that all nodes run."""
    image: str = "hyperledger/besu"
    """Image of the nodes, without tag; from a registry that every cluster reaches."""
    image_digest: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")] | None = Field(
        None, examples=["sha256:" + "0123456789abcdef" * 4]
    )
    """Pins the image to exactly this content; the tag decides where not given."""
    node_keys: Literal["secret", "vault"] = "secret"
    """Where validators get their node keys from: a Kubernetes Secret of their cluster, or their region's key vault (Azure only; it has to admit the machine that deploys, so give `authorized_ip_ranges`)."""
    block_period_seconds: Seconds = 5
    """Least time between two blocks."""
    request_timeout_seconds: Seconds = 10
    """How long validators wait for a proposal before they change the round; doubles with every round. Above the block period."""
    empty_block_period_seconds: Annotated[int, Field(ge=0), measured("s")] = 0
    """Time between two blocks while nobody sends a transaction; 0 means the block period."""
    epoch_length: Annotated[PositiveInt, measured("blocks")] = 30000
    """After so many blocks, votes that are not decided are thrown away."""
    gas_limit: Annotated[int, Field(ge=1, le=2**63 - 1), measured("gas")] = 30_000_000
    """Most gas that a block may use."""
    zero_base_fee: bool = True
    """Whether transactions are free: the base fee (EIP-1559) stays 0."""
    forks: Literal["london", "shanghai", "cancun", "prague"] = "cancun"
    """Newest fork of the EVM that is active from block 0 on."""
    storage_format: Literal["BONSAI", "FOREST"] = "BONSAI"
    """How Besu keeps the state: BONSAI is small, FOREST keeps every past state."""
    discovery: bool = False
    """Whether nodes look for peers on their own. They need not: every node is given the whole list."""
    p2p_port: Port = 30303
    """Port that peers dial (TCP, and UDP with discovery)."""
    rpc_port: Port = 8545
    """Port of JSON-RPC inside the cluster; it is opened to nobody outside."""
    metrics_port: Port = 9545
    """Port of Besu's own metrics inside the cluster."""
    rpc_apis: tuple[str, ...] = ("ETH", "NET", "WEB3", "QBFT", "ADMIN", "TXPOOL")
    """Families of JSON-RPC methods that are switched on."""
    disk_gib: Annotated[PositiveInt, measured("GiB")] = 128
    """Size of each validator's volume."""
    cpu: Annotated[PositiveFloat, measured("cores")] = 2.0
    """What each validator asks of its node."""
    memory_gib: Annotated[PositiveFloat, measured("GiB")] = 8.0
    """Memory that each validator gets, and can't exceed."""
    heap_gib: Annotated[PositiveFloat, measured("GiB")] = 4.0
    """Of that, the heap of Java; the rest is for RocksDB and threads."""
    allocations: tuple[Allocation, ...] = ()
    """Accounts that hold something from block 0 on."""


class Region(Part):
    """One site: a cloud's region or an existing cluster."""

    name: Name = Field(examples=["northeurope"])
    """As its cloud writes it; for an existing cluster a name of your own."""
    cloud: Cloud = "azure"
    """Where it is; `kubeconfig` is a cluster that exists already."""
    validators: Annotated[int, Field(ge=0, le=16)] | None = Field(None, examples=[3])
    """Validators here; `network.validators_per_region` where not given."""
    cidr: IPv4Network | None = Field(None, examples=["10.20.0.0/16"])
    """Address range of its network; a free /16 of 10.0.0.0/8 where not given."""
    context: str | None = Field(None, examples=["on-premises"])
    """Context of the kubeconfig, for `cloud: kubeconfig`."""
    addresses: tuple[str, ...] = Field((), examples=[["198.51.100.7", "198.51.100.8"]])
    """Addresses that peers dial, one per validator, for `cloud: kubeconfig`."""


class CloudSettings(Part):
    """What a fleet's regions have in common in one cloud."""

    resource_prefix: Name | None = Field(None, examples=["chain-138"])
    """Start of every resource's name; the fleet's name where not given."""
    kubernetes_version: str = "1.34"
    """Minor version of the clusters."""
    validator_nodes: Annotated[PositiveInt, measured("machines")] = 2
    """Machines for validators in each region, in different zones where there are some."""
    system_nodes: Annotated[PositiveInt, measured("machines")] = 1
    """Machines for all else in each region."""
    system_vm_size: str = ""
    """Kind of machine for all else."""
    validator_vm_size: str = ""
    """Kind of machine for validators."""
    authorized_ip_ranges: tuple[IPv4Network, ...] = Field((), examples=[["198.51.100.0/24"]])
    """Ranges that may reach the clusters' API servers, and the key vaults where `node_keys` says vault; the machine that deploys among them. Where none is given, every address may reach the API servers, behind its credentials."""
    administrator_groups: tuple[NonEmpty, ...] = Field((), examples=[["chain-admins@example.org"]])
    """Who administers the clusters besides the one who deploys: ARNs of IAM principals in AWS, groups in Google Cloud."""
    log_retention_days: Retention = 0
    """How long the control planes' logs are kept, 30 to 730 days; 0 keeps none. Google Cloud's project says how long."""


class AzureCloud(CloudSettings):
    """Where in Azure the fleet lives; every value may be an `${ENV}` reference."""

    subscription_id: str = "${AZURE_SUBSCRIPTION_ID}"
    """Subscription that everything is made in."""
    tenant_id: str = "${AZURE_TENANT_ID}"
    """Tenant that signs in."""
    system_vm_size: str = "Standard_D4s_v5"
    """Kind of machine for all but validators."""
    validator_vm_size: str = "Standard_D4s_v5"
    """Kind of machine for validators."""
    administrator_groups: tuple[ObjectId, ...] = Field(
        (), examples=[["00000000-0000-0000-0000-0000000000aa"]]
    )
    """Object ids of Entra groups that administer the clusters. The one who deploys must belong to one of them then, and has `kubelogin` on PATH."""


class AwsCloud(CloudSettings):
    """Where in AWS the fleet lives; every value may be an `${ENV}` reference."""

    account_id: str = "${AWS_ACCOUNT_ID}"
    """Account that everything is made in."""
    system_vm_size: str = "m6i.xlarge"
    """Kind of machine for all but validators."""
    validator_vm_size: str = "m6i.xlarge"
    """Kind of machine for validators."""


class GcpCloud(CloudSettings):
    """Where in Google Cloud the fleet lives; every value may be an `${ENV}` reference."""

    project: str = "${GOOGLE_CLOUD_PROJECT}"
    """Project that everything is made in."""
    system_vm_size: str = "n2-standard-4"
    """Kind of machine for all but validators."""
    validator_vm_size: str = "n2-standard-4"
    """Kind of machine for validators."""


class Clouds(Part):
    """Settings of the clouds that regions name."""

    azure: AzureCloud = AzureCloud()
    """Azure."""
    aws: AwsCloud = AwsCloud()
    """Amazon Web Services."""
    gcp: GcpCloud = GcpCloud()
    """Google Cloud."""

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

    name: Name = Field(examples=["mainnet"])
    """What commands and reports call it."""
    chain_id: ChainId = Field(examples=[1])
    """Chain id; checked against the chain before anything is signed."""
    rpc_url: str | None = Field(None, examples=["${MAINNET_RPC_URL}"])
    """JSON-RPC address; where not given, the fleet's own network, reached through its clusters."""
    confirmations: Annotated[int, Field(ge=0), measured("blocks")] = 1
    """Blocks on top of a transaction before it counts."""
    deployer: str = "${CHAINFLEET_DEPLOYER_KEY}"
    """Reference to the deployer's key: an environment variable or `keystore:FILE`."""
    ccip_router: Address | None = Field(None, examples=["0x80226fc0ee2b096224eeac085bb9a8cba1146f7d"])
    """Chainlink's CCIP router on this chain, where rounds travel by CCIP."""


class Oracle(Part):
    """The feed that the contracts carry."""

    description: str = "ETH / USD"
    """What the feed tells."""
    decimals: Annotated[int, Field(ge=0, le=18)] = 8
    """Answers are in units of 10^-decimals."""
    minimum_answer: Annotated[int, measured("10^-decimals")] = 1
    """Least answer that is taken."""
    maximum_answer: Annotated[int, measured("10^-decimals")] = 10**14
    """Largest answer that is taken."""
    heartbeat_seconds: Seconds = 3600
    """A new round comes at the latest after this."""
    deviation_bps: Annotated[int, Field(ge=0, le=10_000), measured("1/10,000")] = 50
    """A new round comes when the answer has moved this far."""
    timeout_seconds: Seconds = 600
    """After this without a quorum of answers a round may be given up."""
    first_answer: Annotated[int, measured("10^-decimals")] = 300_000_000_000
    """Answer of the first round, in units of 10^-decimals."""


class Contracts(Part):
    """What is deployed to which chains."""

    chains: tuple[Chain, ...] = ()
    """Chains that the contracts are deployed to; none where empty."""
    oracle: Oracle = Oracle()
    """The feed, the same on every chain."""
    admin: Address | None = Field(None, examples=["0xfe3b557e8fb62b89f4916b721be55ceb828dbd73"])
    """Who administers the contracts in the end; the deployer where not given."""


class Ceilings(Part):
    """How many tasks of a phase may run at once; infrastructure also is Terraform's `-parallelism`."""

    infrastructure: Annotated[PositiveInt, measured("tasks")] = 128
    """Terraform, at most so many; each of them is also told to do no more at once."""
    kubernetes: Annotated[PositiveInt, measured("tasks")] = 24
    """Preparing clusters."""
    besu: Annotated[PositiveInt, measured("tasks")] = 48
    """Installing, starting and joining validators."""
    contracts: Annotated[PositiveInt, measured("tasks")] = 2
    """Deploying contracts: one chain each."""
    monitoring: Annotated[PositiveInt, measured("tasks")] = 24
    """Installing what watches."""
    verification: Annotated[PositiveInt, measured("tasks")] = 48
    """Looking whether all is as declared."""


class Retries(Part):
    """Retry policy: full-jitter exponential backoff."""

    attempts: PositiveInt = 6
    """Attempts of one task in one run, the first included."""
    base_seconds: FineSeconds = 2.0
    """Upper bound of the first wait; it doubles with every attempt."""
    cap_seconds: FineSeconds = 60.0
    """Upper bound of any wait."""


class StateBackend(Part):
    """Where Terraform keeps its states: one for each region and stage."""

    type: Literal["azurerm", "s3", "gcs", "http"] = Field(examples=["azurerm"])
    """Kind of backend, as Terraform calls it."""
    config: Mapping[str, str] = Field(
        {}, examples=[{"container_name": "states", "key": "{fleet}/{region}/{stage}.tfstate"}]
    )
    """The backend's own settings; `{fleet}`, `{region}` and `{stage}` in them are filled in. Credentials come from
    the environment, never from here."""


class TerraformLayout(Part):
    """How many regions share a Terraform root and its state."""

    layout: Literal["per-region", "grouped"] = "per-region"
    """`grouped` (Azure only) needs less memory and fewer cores; regions of a group then share a state and its lock."""
    regions_per_root: Annotated[int, Field(ge=2, le=64)] = 6
    """How many, with `grouped`."""


class Deployment(Part):
    """How the fleet is rolled out."""

    mode: Mode = Mode.ULTRA
    """Which edges and ceilings the plan gets; `ultra` waits for true dependencies only."""
    waves: tuple[int | str, ...] = Field((), examples=[[8, 16]])
    """Sizes of the waves: numbers of regions (8, 16) or percentages ("25%")."""
    approval: bool = False
    """Gates between waves wait for a person's approval; what the check of the wave found is shown to them."""
    ceilings: Ceilings = Ceilings()
    """How much runs at once."""
    retries: Retries = Retries()
    """How failures that pass are tried again."""
    failed_regions_allowed: Annotated[int, Field(ge=0)] | None = Field(None, examples=[2])
    """After more failed regions than this no further one is started; no bound where not given."""
    terraform: TerraformLayout = TerraformLayout()
    """How Terraform is laid out."""
    state: StateBackend | None = None
    """Where Terraform keeps its states; in the state folder where not given."""
    time_scale: PositiveFloat = 1.0
    """Expected and allowed durations are divided by this; only rehearsals and emulated clouds differ from 1."""


class Fleet(Part):
    """A whole fleet, resolved: regions are listed one by one and in order."""

    name: Name
    """Name of the fleet: start of every resource's name, and of its state folder."""
    network: Network
    """The chain."""
    regions: tuple[Region, ...]
    """Its regions, in order."""
    clouds: Clouds = Clouds()
    """Settings of the clouds."""
    contracts: Contracts = Contracts()
    """What is deployed to which chains."""
    monitoring: Monitoring = Monitoring()
    """What watches it."""
    deployment: Deployment = Deployment()
    """How it is rolled out."""

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

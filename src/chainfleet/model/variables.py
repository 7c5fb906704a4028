"""Every environment variable that chainfleet reads itself, or hands on to its tools; each said once.

The reference page is made from this list, and a test finds every variable that the code reads and the list lacks.
"""

from __future__ import annotations

from enum import StrEnum


class Variable(StrEnum):
    """An environment variable; its docstring is what the reference says of it."""

    ALLOW_DESTROY = "CHAINFLEET_ALLOW_DESTROY"
    """`1` allows Terraform to replace or destroy what a deployment made before; set by `--allow-destroy` for one command."""
    ALLOW_MAINNET = "CHAINFLEET_ALLOW_MAINNET"
    """`1` allows transactions on chain id 1; set by `--allow-mainnet`."""
    ANVIL = "CHAINFLEET_ANVIL"
    """The anvil program that emulated chains run in; looked for in the clone and on PATH where not set."""
    BLOCKSCOUT_URL = "CHAINFLEET_BLOCKSCOUT_URL"
    """Address of a Blockscout that contracts' sources are sent to."""
    DEPLOYER_KEY = "CHAINFLEET_DEPLOYER_KEY"
    """Private key that contracts are deployed with (hex), where the fleet says nothing else. A secret."""
    ETHERSCAN_KEY = "CHAINFLEET_ETHERSCAN_KEY"
    """API key for `CHAINFLEET_ETHERSCAN_URL`. A secret."""
    ETHERSCAN_URL = "CHAINFLEET_ETHERSCAN_URL"
    """Address of an Etherscan-like API that contracts' sources are sent to."""
    KEYSTORE_PASSWORD = "CHAINFLEET_KEYSTORE_PASSWORD"  # noqa: S105 - the name of a variable, not a password
    """Password of `keystore:FILE` keys. A secret; a file is better."""
    KEYSTORE_PASSWORD_FILE = "CHAINFLEET_KEYSTORE_PASSWORD_FILE"  # noqa: S105 - the name of a variable
    """File with the password of `keystore:FILE` keys."""
    LEDGER = "CHAINFLEET_LEDGER"
    """Database of the ledgers, like `--ledger`."""
    LOCAL_STATE = "CHAINFLEET_LOCAL_STATE"
    """`1` keeps Terraform's states in the state folder whatever the fleet says; set with an emulated cloud."""
    LOG_FILE = "CHAINFLEET_LOG_FILE"
    """File that a run appends its events to, a JSON object a line."""
    METRICS_PORT = "CHAINFLEET_METRICS_PORT"
    """Port on loopback where a run serves its metrics; none where not set."""
    PROVIDER_LOGS = "CHAINFLEET_PROVIDER_LOGS"
    """`1` reads Terraform providers' own logs, so that every 429 of a cloud is counted; costs CPU."""
    SOURCIFY_URL = "CHAINFLEET_SOURCIFY_URL"
    """Address of a Sourcify that contracts' sources are sent to."""

    ARM_ACTIVE_DIRECTORY_AUTHORITY_HOST = "ARM_ACTIVE_DIRECTORY_AUTHORITY_HOST"
    """Where tokens for Azure are issued, in clouds that are not the public one."""
    ARM_CLIENT_ID = "ARM_CLIENT_ID"
    """Identity for Azure, as Terraform's providers call it; used where `AZURE_CLIENT_ID` is not set."""
    ARM_CLIENT_SECRET = "ARM_CLIENT_SECRET"  # noqa: S105 - the name of a variable
    """Secret of that identity."""
    ARM_DISABLE_INSTANCE_DISCOVERY = "ARM_DISABLE_INSTANCE_DISCOVERY"
    """`true` asks no public address whether the authority is known."""
    ARM_RESOURCE_MANAGER_AUDIENCE = "ARM_RESOURCE_MANAGER_AUDIENCE"
    """Audience of tokens for Azure's API, in clouds that are not the public one."""
    ARM_RESOURCE_MANAGER_ENDPOINT = "ARM_RESOURCE_MANAGER_ENDPOINT"
    """Azure's API, in clouds that are not the public one."""
    ARM_TENANT_ID = "ARM_TENANT_ID"
    """Tenant that signs in, as Terraform's providers call it."""
    AZURE_AUTHORITY_HOST = "AZURE_AUTHORITY_HOST"
    """Where tokens for Azure are issued, as Microsoft's libraries call it."""
    AZURE_CLIENT_ID = "AZURE_CLIENT_ID"
    """Identity for Azure."""
    AZURE_CLIENT_SECRET = "AZURE_CLIENT_SECRET"  # noqa: S105 - the name of a variable
    """Secret of that identity, where it signs in with one; a federated token is better."""
    AZURE_FEDERATED_TOKEN_FILE = "AZURE_FEDERATED_TOKEN_FILE"  # noqa: S105 - the name of a variable
    """File with the token that a workload identity is exchanged for."""
    AZURE_TENANT_ID = "AZURE_TENANT_ID"
    """Tenant that signs in."""
    HTTPS_PROXY = "HTTPS_PROXY"
    """Proxy for what goes outside."""
    KUBECONFIG = "KUBECONFIG"
    """The kubeconfig of regions with `cloud: kubeconfig`."""
    NO_COLOR = "NO_COLOR"
    """Set to anything: no colours."""
    OTEL_EXPORTER_OTLP_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
    """Where a run sends its spans (OTLP over HTTP); needs the extra `telemetry`."""
    OTEL_EXPORTER_OTLP_TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
    """The same, for spans alone."""
    REQUESTS_CA_BUNDLE = "REQUESTS_CA_BUNDLE"
    """File of the authorities that are trusted when clouds are asked, instead of the usual ones."""
    SSL_CERT_FILE = "SSL_CERT_FILE"
    """The same for Terraform, chains and explorers."""
    TF_CLI_CONFIG_FILE = "TF_CLI_CONFIG_FILE"
    """Terraform's own settings, e.g. a mirror of its providers."""
    TF_REATTACH_PROVIDERS = "TF_REATTACH_PROVIDERS"
    """Providers that run already, for Terraform; set with an emulated cloud."""
    TERM = "TERM"
    """`dumb` gets lines instead of the live view."""

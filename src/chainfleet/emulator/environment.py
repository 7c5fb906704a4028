"""The environment that the emulated cloud hands to its users: the variables that real clients read."""

from __future__ import annotations

from pathlib import Path

from chainfleet.model.variables import Variable

from .arm.identity import AUDIENCES
from .arm.service import Listeners
from .core import Core
from .tls import Authority


def environment(listeners: Listeners, core: Core, authority: Authority, folder: Path) -> dict[str, str]:
    """Names and values; they hold secrets, so keep them in a private file.

    Args:
        listeners: give the addresses.
        core: gives tenant, subscription, the deployer's credentials and key.
        authority: gives the bundle of certificates.
        folder: where the empty Terraform configuration is kept.
    """
    terraform = folder / "terraform.rc"
    # An empty file of our own: the operator's mirrors and overrides are for real clouds.
    terraform.write_text("", encoding="utf-8")
    directory = core.fill()
    principal = directory.deployer
    variables = {
        "ARM_RESOURCE_MANAGER_ENDPOINT": listeners.endpoint,
        "ARM_RESOURCE_MANAGER_AUDIENCE": AUDIENCES[0],
        "ARM_ACTIVE_DIRECTORY_AUTHORITY_HOST": listeners.authority,
        "AZURE_AUTHORITY_HOST": listeners.authority,
        "ARM_ENVIRONMENT": "custom",
        "ARM_DISABLE_INSTANCE_DISCOVERY": "true",
        "SSL_CERT_FILE": str(authority.ca_file),
        "REQUESTS_CA_BUNDLE": str(authority.ca_file),
        "TF_CLI_CONFIG_FILE": str(terraform),
        "CHECKPOINT_DISABLE": "1",
        Variable.DEPLOYER_KEY: core.deployer_key,
        Variable.ALLOW_MAINNET: "1",
    }
    for prefix in ("ARM", "AZURE"):
        variables |= {
            f"{prefix}_TENANT_ID": directory.tenant_id,
            f"{prefix}_CLIENT_ID": principal.client_id,
            f"{prefix}_CLIENT_SECRET": principal.client_secret,
            f"{prefix}_SUBSCRIPTION_ID": directory.subscription_id,
        }
    return variables

"""The environment that the emulated cloud hands to its users: the variables that real clients read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .arm.identity import AUDIENCES, Directory
from .tls import Authority

if TYPE_CHECKING:
    from .arm.service import Arm


def environment(
    arm: Arm, directory: Directory, authority: Authority, deployer_key: str, mainnet_url: str, folder: Path
) -> dict[str, str]:
    """Names and values; they hold secrets, so keep them in a private file.

    Args:
        arm: gives the addresses.
        directory: gives tenant, subscription and the deployer's credentials.
        authority: gives the bundle of certificates.
        deployer_key: private key that deploys contracts.
        mainnet_url: JSON-RPC address of the emulated Mainnet; empty if it isn't started.
        folder: where the empty Terraform configuration is kept.
    """
    terraform = folder / "terraform.rc"
    # An empty file of our own: the operator's mirrors and overrides are for real clouds.
    terraform.write_text("", encoding="utf-8")
    principal = directory.deployer
    variables = {
        "ARM_RESOURCE_MANAGER_ENDPOINT": arm.endpoint,
        "ARM_RESOURCE_MANAGER_AUDIENCE": AUDIENCES[0],
        "ARM_ACTIVE_DIRECTORY_AUTHORITY_HOST": arm.authority,
        "AZURE_AUTHORITY_HOST": arm.authority,
        "ARM_ENVIRONMENT": "custom",
        "ARM_DISABLE_INSTANCE_DISCOVERY": "true",
        "SSL_CERT_FILE": str(authority.ca_file),
        "REQUESTS_CA_BUNDLE": str(authority.ca_file),
        "TF_CLI_CONFIG_FILE": str(terraform),
        "CHECKPOINT_DISABLE": "1",
        "CHAINFLEET_DEPLOYER_KEY": deployer_key,
        "CHAINFLEET_ALLOW_MAINNET": "1",
    }
    for prefix in ("ARM", "AZURE"):
        variables |= {
            f"{prefix}_TENANT_ID": directory.tenant_id,
            f"{prefix}_CLIENT_ID": principal.client_id,
            f"{prefix}_CLIENT_SECRET": principal.client_secret,
            f"{prefix}_SUBSCRIPTION_ID": directory.subscription_id,
        }
    if mainnet_url:
        variables["MAINNET_RPC_URL"] = mainnet_url
    return variables

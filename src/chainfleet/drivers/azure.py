"""Where Azure Resource Manager answers and who asks it, from the variables that Azure's own tools read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from threading import Lock
from typing import Any

from chainfleet.model.errors import ErrorClass, TaskFailed

PUBLIC_ARM = "https://management.azure.com"
PUBLIC_AUTHORITY = "https://login.microsoftonline.com"

IDENTITY_VARIABLES = (
    "ARM_RESOURCE_MANAGER_ENDPOINT",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_FEDERATED_TOKEN_FILE",
    "REQUESTS_CA_BUNDLE",
)
"""What makes one way of asking ARM differ from another; clients may be kept by it."""


def endpoint(environ: Mapping[str, str]) -> str:
    """Address of ARM, without a slash at its end."""
    return (environ.get("ARM_RESOURCE_MANAGER_ENDPOINT") or PUBLIC_ARM).rstrip("/")


def scope(environ: Mapping[str, str]) -> str:
    """Scope of a token for ARM."""
    return (environ.get("ARM_RESOURCE_MANAGER_AUDIENCE") or PUBLIC_ARM).rstrip("/") + "/.default"


def load_sdk() -> None:
    """Import what is used of Azure's SDK, one thread at a time; whoever may be on a thread calls it before its own import.

    The SDK's packages import one another in circles: threads that begin that together meet modules that are half made, or
    a deadlock of their locks.
    """
    with _LOADING:
        for name in _SDK:
            import_module(name)


_LOADING = Lock()
_SDK = ("azure.core.exceptions", "azure.core.pipeline.policies", "azure.core.rest", "azure.identity")


def credential(environ: Mapping[str, str]) -> Any:
    """Return who we are: a service principal, a workload identity or whoever is logged in to `az`."""
    load_sdk()
    from azure.identity import AzureCliCredential, ClientSecretCredential, WorkloadIdentityCredential

    tenant = environ.get("AZURE_TENANT_ID") or environ.get("ARM_TENANT_ID") or ""
    client = environ.get("AZURE_CLIENT_ID") or environ.get("ARM_CLIENT_ID") or ""
    secret = environ.get("AZURE_CLIENT_SECRET") or environ.get("ARM_CLIENT_SECRET") or ""
    authority = environ.get("AZURE_AUTHORITY_HOST") or environ.get("ARM_ACTIVE_DIRECTORY_AUTHORITY_HOST")
    options: dict[str, Any] = {
        "authority": authority or PUBLIC_AUTHORITY,
        "disable_instance_discovery": environ.get("ARM_DISABLE_INSTANCE_DISCOVERY", "").lower() == "true",
        "connection_verify": environ.get("REQUESTS_CA_BUNDLE") or True,
    }
    if tenant and client and secret:
        return ClientSecretCredential(tenant, client, secret, **options)
    token_file = environ.get("AZURE_FEDERATED_TOKEN_FILE")
    if tenant and client and token_file:
        return WorkloadIdentityCredential(
            tenant_id=tenant, client_id=client, token_file_path=token_file, **options
        )
    return AzureCliCredential(tenant_id=tenant)


def setting(text: str, environ: Mapping[str, str]) -> str:
    """A setting; one that still is a reference names a variable that was not set when the fleet was read."""
    match = re.fullmatch(r"\$\{(\w+)\}", text)
    if match is None:
        return text
    if match[1] not in environ:
        message = f"the environment variable {match[1]} is not set"
        raise TaskFailed(ErrorClass.CONFIGURATION, message, way_out=f"export {match[1]}")
    return environ[match[1]]

"""The backend that a root keeps its state in, where that is not the root's own folder.

One state for each region and stage, in Azure's blobs (Entra's authorisation: looking up account keys costs one
throttled call per run), S3, Google Cloud Storage or anything that speaks Terraform's `http` backend.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.fleet import StateBackend
from chainfleet.model.variables import Variable

FILE = "backend.tf.json"

LOCAL_STATE = Variable.LOCAL_STATE
"""Environment variable that, at 1, keeps states local whatever the fleet says: the emulated cloud has no blobs."""

_DEFAULTS: Mapping[str, Mapping[str, str | bool]] = {
    "azurerm": {"key": "{fleet}/{region}/{stage}.tfstate", "use_azuread_auth": True},
    "s3": {"key": "{fleet}/{region}/{stage}.tfstate", "encrypt": True, "use_lockfile": True},
    "gcs": {"prefix": "{fleet}/{region}/{stage}"},
    "http": {},
}


def backend_file(backend: StateBackend, **names: str) -> str:
    """The root's `backend.tf.json`.

    Args:
        backend: as the fleet declares it.
        names: `fleet`, `region` and `stage`.

    Raises:
        TaskFailed: a setting has braces that mean nothing.
    """
    try:
        config = {
            key: value.format(**names) if isinstance(value, str) else value
            for key, value in {**_DEFAULTS[backend.type], **backend.config}.items()
        }
    except (KeyError, ValueError, IndexError) as error:
        message = f"deployment.state.config: {error} is none of {{fleet}}, {{region}}, {{stage}}"
        raise TaskFailed(
            ErrorClass.CONFIGURATION, message, way_out="double the braces that are meant as such"
        ) from None
    return json.dumps({"terraform": {"backend": {backend.type: config}}}, indent=2) + "\n"

"""Actions on managed clusters that hand out kubeconfigs."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

from chainfleet.emulator.seams import ClusterEndpoint

from .answers import Answer, json_answer
from .compute import CLUSTER
from .errors import ArmError
from .resources import Resource

_ACTIONS = {
    "listclusterusercredential": "clusterUser",
    "listclusteradmincredential": "clusterAdmin",
    "listclustermonitoringusercredential": "clusterMonitoringUser",
}


class Credentials:
    """Writes kubeconfigs for clusters that answer.

    Args:
        endpoint: where a cluster's API answers, by its key; None while it doesn't.
    """

    def __init__(self, endpoint: Callable[[str], ClusterEndpoint | None]) -> None:
        self._endpoint = endpoint

    def answer(self, resource: Resource, action: str) -> Answer | None:
        """Answer an action, or None if there is no such action.

        Raises:
            ArmError: 409 while the cluster doesn't answer yet.
        """
        user = _ACTIONS.get(action.lower())
        if user is None or resource.type != CLUSTER:
            return None
        endpoint = self._endpoint(resource.key)
        if endpoint is None:
            raise ArmError(
                409,
                "OperationNotAllowed",
                f"Getting credentials of managed cluster {resource.id.name} is not possible in state "
                f"{resource.state}.",
            )
        config = json.dumps(_kubeconfig(resource, endpoint, user))
        value = base64.b64encode(config.encode()).decode()
        return json_answer({"kubeconfigs": [{"name": user, "value": value}]})


def _kubeconfig(resource: Resource, endpoint: ClusterEndpoint, user: str) -> dict[str, object]:
    # JSON is YAML, and every client reads it as such.
    cluster, name = resource.id.name, f"{user}_{resource.id.group}_{resource.id.name}"
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "preferences": {},
        "clusters": [
            {
                "name": cluster,
                "cluster": {
                    "server": endpoint.server,
                    "certificate-authority-data": base64.b64encode(endpoint.ca_pem.encode()).decode(),
                },
            }
        ],
        "users": [{"name": name, "user": {"token": endpoint.token}}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": name}}],
        "current-context": cluster,
    }

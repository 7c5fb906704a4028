"""Resources that the cloud is still working on: recognised in errors, waited for, their parents included."""

from __future__ import annotations

import asyncio
from typing import Any

from chainfleet.drivers.terraform.messages import Diagnostic
from chainfleet.drivers.terraform.unfinished import busy_resources, wait_until_settled

GROUP = "/subscriptions/s/resourceGroups/g"
CLUSTER = f"{GROUP}/providers/Microsoft.ContainerService/managedClusters/c"
POOL = f"{CLUSTER}/agentPools/validators"


def refused(resource: str, message: str) -> Diagnostic:
    detail = (
        f'creating/updating Resource: (ResourceId "{resource}" / Api Version "2025-05-01"): PUT https://arm{resource}\n'
        f"RESPONSE 409: 409 Conflict\nERROR CODE: OperationNotAllowed\n{message}"
    )
    return Diagnostic("Failed to create/update resource", detail, "azapi_resource.cluster")


BUSY = refused(CLUSTER, "Operation is not allowed because there's an in progress creating operation on it.")


def test_only_when_every_error_is_of_that_kind() -> None:
    assert busy_resources([BUSY]) == [(CLUSTER, "2025-05-01")]
    assert busy_resources([]) == []
    assert busy_resources([BUSY, refused(POOL, "exceeding approved DSv5 Cores quota")]) == []
    assert busy_resources([Diagnostic("conflict", "AnotherOperationInProgress", "")]) == []


class Cloud:
    """Answers provisioning states one after the other; the last one stays."""

    def __init__(self, **states: list[str | None]) -> None:
        self.states = states
        self.read_of: list[str] = []

    async def read(self, resource: str, version: str) -> dict[str, Any] | None:
        assert version == "2025-05-01"
        name = resource.rpartition("/")[2]
        self.read_of.append(name)
        answers = self.states[name]
        state = answers.pop(0) if len(answers) > 1 else answers[0]
        return None if state is None else {"properties": {"provisioningState": state}}


def wait(cloud: Cloud, resource: str) -> tuple[bool, list[str]]:
    said: list[str] = []
    waited = asyncio.run(
        wait_until_settled([(resource, "2025-05-01")], read=cloud.read, say=said.append, time_scale=1e4)
    )
    return waited, said


def test_it_waits_until_the_operation_is_over_and_says_so_once() -> None:
    cloud = Cloud(c=["Creating", "Creating", "Succeeded"])
    waited, said = wait(cloud, CLUSTER)
    assert (waited, len(cloud.read_of)) == (True, 3)
    assert said == ["c is creating, waiting for the operation that goes on there"]


def test_a_pool_that_does_not_exist_yet_waits_for_its_cluster() -> None:
    cloud = Cloud(validators=[None], c=["Updating", "Failed"])
    assert wait(cloud, POOL)[0]
    assert cloud.states["c"] == ["Failed"]


def test_nothing_to_wait_for() -> None:
    assert not wait(Cloud(c=["Succeeded"]), CLUSTER)[0]
    assert not wait(Cloud(g=[None]), GROUP)[0]

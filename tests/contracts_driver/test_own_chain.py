"""The fleet's own chain is asked through any cluster whose validator started; the next one when that is silent."""

from __future__ import annotations

import asyncio

import pytest

from chainfleet.drivers.contracts import fleet_rpc
from chainfleet.drivers.contracts.rpc import RpcError
from chainfleet.drivers.driver import Attempt
from chainfleet.drivers.kubernetes import access
from chainfleet.drivers.kubernetes.client import RpcError as NodeError
from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.fleet import Fleet
from chainfleet.model.task import Phase, Task

REGIONS = ("northeurope", "westeurope", "uksouth")


class Network:
    """Clusters by region: what their validators answer, and who was asked."""

    def __init__(self, answers):
        self.answers = answers
        self.asked = []

    async def of(self, attempt, region):
        self.region = region.name
        return self

    async def rpc(self, namespace, service, port, method, params=(), timeout_s=10):
        assert (namespace, port) == ("besu", 8545)
        self.asked.append(f"{self.region}/{service}")
        answer = self.answers[self.region]
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def ask(monkeypatch):
    """Ask `eth_blockNumber` some times of one FleetJsonRpc."""

    def ask(network, started, times=1):
        monkeypatch.setattr(access, "clusters", lambda: network)

        async def work():
            rpc = fleet_rpc.FleetJsonRpc(attempt(started))
            return [await rpc.call("eth_blockNumber") for _ in range(times)]

        return asyncio.run(work())

    return ask


def attempt(started):
    document = {"name": "own", "network": {"chain_id": 138}, "regions": [{"name": name} for name in REGIONS]}
    outputs = {f"besu/start/{name}": {"address": "0x0"} for name in started}
    return Attempt(
        task=Task("contracts/deploy/own", Phase.CONTRACTS),
        number=1,
        fleet=Fleet.model_validate(document),
        workspace=None,
        log_file=None,
        parallelism=1,
        environ={},
        outputs=outputs.__getitem__,
        log=lambda line: None,
        fence=lambda: None,
        observed=lambda limit: None,
        progress=lambda text: None,
    )


SILENT = TaskFailed(ErrorClass.CHAIN_NOT_READY, "no pod answers")


def test_it_stays_with_the_validator_that_answers(ask):
    network = Network(dict.fromkeys(REGIONS, "0x1"))
    assert ask(network, ["westeurope-0", "uksouth-0"], times=3) == ["0x1"] * 3
    assert set(network.asked) == {"westeurope/validator-0"}


def test_the_next_region_is_asked_when_one_is_silent_and_stayed_with(ask):
    network = Network({"northeurope": SILENT, "westeurope": SILENT, "uksouth": "0x2"})
    assert ask(network, [f"{name}-0" for name in REGIONS], times=2) == ["0x2", "0x2"]
    assert network.asked == [f"{name}/validator-0" for name in (*REGIONS, "uksouth")]


def test_other_regions_come_before_second_validators(ask):
    network = Network(dict.fromkeys(REGIONS, SILENT))
    with pytest.raises(TaskFailed):
        ask(network, ["northeurope-0", "northeurope-1", "westeurope-0"])
    assert network.asked == ["northeurope/validator-0", "westeurope/validator-0", "northeurope/validator-1"]


def test_when_none_answers_the_chain_isnt_ready(ask):
    network = Network(dict.fromkeys(REGIONS, SILENT))
    with pytest.raises(TaskFailed, match="none of 1 started validators answers") as caught:
        ask(network, ["uksouth-0"])
    assert caught.value.error_class is ErrorClass.CHAIN_NOT_READY
    with pytest.raises(TaskFailed, match="none of 0 started"):
        ask(network, [])


def test_a_nodes_refusal_is_not_asked_again_elsewhere_and_keeps_its_data(ask):
    refusal = NodeError("eth_call", 3, "execution reverted", "0x08c379a0")
    network = Network(dict.fromkeys(REGIONS, refusal))
    with pytest.raises(RpcError) as caught:
        ask(network, [f"{name}-0" for name in REGIONS])
    assert (caught.value.code, caught.value.data) == (3, "0x08c379a0")
    assert len(network.asked) == 1

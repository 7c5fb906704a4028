"""Alerts and verification ask the same of a validator's metrics."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "kubernetes"))

from chainfleet.drivers.monitoring.conditions import OUT_OF_SYNC, peers_low, problem_of, readings_of
from chainfleet.drivers.monitoring.rules import region_alerts
from chainfleet.drivers.monitoring.thresholds import Thresholds

GOOD = """# TYPE ethereum_peer_count gauge
ethereum_peer_count 47
besu_synchronizer_in_sync 1
process_release{version="besu/v26.8.0"} 1
"""


def test_the_alerts_are_the_conditions(chain_138):
    expressions = {alert.name: alert.expression for alert in region_alerts(chain_138)}
    for condition in (peers_low(Thresholds.of(chain_138)), OUT_OF_SYNC):
        assert expressions[condition.alert] == condition.expression


@pytest.mark.parametrize(
    ("change", "expected", "problem"),
    [
        (("", ""), 47, None),
        (("count 47", "count 39"), 47, "too few peers"),
        (("count 47", "count 39"), 30, None),
        (("sync 1", "sync 0"), 47, "not in sync"),
        (("besu_synchronizer_in_sync 1\n", ""), 47, "exports no besu_synchronizer_in_sync"),
        (("v26.8.0", "v26.6.0"), 47, "runs besu/v26.6.0, not 26.8.0"),
        (('process_release{version="besu/v26.8.0"} 1\n', ""), 47, "no known version"),
    ],
)
def test_what_is_found_wrong(chain_138, change, expected, problem):
    found = problem_of(chain_138, readings_of(GOOD.replace(*change)), expected)
    assert found is None if problem is None else problem in found


def test_an_older_revision_is_not_verified(tmp_path, monkeypatch):
    """The network is healthy, and not what was deployed."""
    from living import LivingRegions

    from chainfleet.drivers.besu.pacing import Pace
    from chainfleet.drivers.verification import VerificationDriver
    from chainfleet.emulator.tls import Authority
    from chainfleet.model.errors import ErrorClass, TaskFailed

    async def scenario():
        async with LivingRegions(tmp_path, Authority(tmp_path), names=("alpha", "beta", "gamma")) as world:
            await world.bring_up(monitoring=False)
            region = "verification/region/alpha"
            assert (await world.run(VerificationDriver(), region)).outputs["validators_ready"] == 2
            network = world.fleet.network.model_copy(update={"besu_version": "26.9.0"})
            world.fleet = world.fleet.model_copy(update={"network": network})
            monkeypatch.setattr(Pace, "scaled", lambda *_, **__: 1.0)
            with pytest.raises(TaskFailed, match=r"not 26\.9\.0") as refusal:
                await VerificationDriver().change(world.attempt(region, timeout_s=20))
            assert refusal.value.error_class is ErrorClass.CONFIGURATION, "waiting doesn't upgrade anybody"
            assert "besu restart" in refusal.value.way_out

    asyncio.run(scenario())

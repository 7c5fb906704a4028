"""`chainfleet exporter` on a deployed environment, and beside a deployment."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "kubernetes"))

from living import LivingRegions

from chainfleet.cli.exporter import ExporterOptions, _Exporter, _serve, run_exporter
from chainfleet.drivers.monitoring.exporter import ChainCollector
from chainfleet.drivers.scraping import exposition
from chainfleet.emulator.tls import Authority
from chainfleet.ledger.store import Entry, Ledger
from chainfleet.model.errors import InputError
from chainfleet.model.fleet_file import load_fleet, new_fleet
from chainfleet.runtime.state import StateFolder
from chainfleet.runtime.targets import TargetOptions


def record(state, fleet, outputs):
    ledger = Ledger(state.ledger, fleet)
    ledger.append(
        [Entry("r1-deploy", 0.0, "outputs", task, json.dumps(o)) for task, o in outputs.items()]
    ).result()
    ledger.close()


def test_it_keeps_up_with_a_deployment_beside_it(tmp_path):
    async def scenario():
        async with LivingRegions(tmp_path, Authority(tmp_path), names=("alpha", "beta", "gamma")) as world:
            await world.bring_up(monitoring=False)
            state = StateFolder(tmp_path / "state").prepare()
            early = {"kubernetes/base/alpha": world.outputs["kubernetes/base/alpha"]}
            record(state, world.fleet.name, early)
            environ = {**os.environ, "KUBECONFIG": str(tmp_path / "kubeconfig")}
            exporter = _Exporter(world.fleet, state, environ)
            await exporter.collector.look()
            first = exporter.collector
            exporter.keep_up()
            assert exporter.collector is first
            record(state, world.fleet.name, world.outputs)
            exporter.keep_up()
            assert exporter.collector is not first, "now it knows whose seals to count"
            assert not exporter.healthy(1.0)
            await exporter.collector.look()
            assert exporter.healthy(1.0)
            text = exposition(exporter.collector)[0].decode()
            assert "chainfleet_network_validators_up 6.0" in text
            assert 'chainfleet_validator_seals_total{region="alpha",validator="validator-0"}' in text
            assert 'version="26.8.0"' in text

    asyncio.run(scenario())


def test_a_ledger_that_is_away_does_not_end_the_watch(tmp_path, monkeypatch, capsys):
    fleet = load_fleet("fleet.yaml", lambda _: new_fleet("net", 9, 4), {}).fleet
    state = StateFolder(tmp_path / "state").prepare()
    record(state, fleet.name, {"kubernetes/base/northeurope": {}})
    exporter, stop, looks = _Exporter(fleet, state, {}), asyncio.Event(), []

    async def look(collector):
        looks.append(collector)
        # What SQLite kept beside the ledger is gone with its last user.
        state.ledger.with_name("ledger.db-wal").unlink(missing_ok=True)
        state.ledger.write_bytes(b"half of it")
        if len(looks) == 2:
            stop.set()

    monkeypatch.setattr(ChainCollector, "look", look)
    asyncio.run(_serve(exporter, ExporterOptions("127.0.0.1:0", None, once=False), 0.01, stop))
    assert len(looks) == 2
    assert "the ledger can't be read" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("listen", "problem"),
    [("nonsense", "no address"), ("127.0.0.1:99999", "no address"), ("127.0.0.1:0", "nothing")],
)
def test_what_cannot_work_is_one_clear_error(tmp_path, listen, problem):
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text("name: net\nnetwork: {chain_id: 9}\nregion_set: azure-non-us-24\n")
    options = ExporterOptions(listen, None, once=True)
    with pytest.raises(InputError, match=problem) as refusal:
        run_exporter(fleet, TargetOptions(tmp_path / "state"), options)
    assert refusal.value.way_out

"""A coordinator that stands by for a run which another one has yet to begin."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from chainfleet.cli import deploy
from chainfleet.cli.main import app
from chainfleet.ledger.codec import encode
from chainfleet.ledger.lease import Lease
from chainfleet.ledger.store import Entry, Ledger
from chainfleet.model.fleet_file import load_fleet, new_fleet
from chainfleet.runtime.operations import Environment
from chainfleet.runtime.state import StateFolder
from chainfleet.runtime.targets import TargetOptions
from chainfleet.scheduling.planning import make_plan


class Enough(Exception):
    """The standby has looked often enough."""


@pytest.mark.parametrize("begun", ["nothing", "an empty ledger"])
def test_waiting_for_a_first_run_touches_nothing_and_is_said_once(
    begun: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "f.yaml").write_text(new_fleet("mine", 1138, 4))
    state = StateFolder(tmp_path / "state")
    if begun != "nothing":
        Ledger(state.prepare().ledger, "mine").close()
    looks = iter(range(5))

    def sleep(_seconds: float) -> None:
        if next(looks, None) is None:
            raise Enough

    monkeypatch.setattr(deploy.time, "sleep", sleep)
    with pytest.raises(Enough):
        deploy.run_standby(tmp_path / "f.yaml", TargetOptions(state.root), plain=True, as_json=False)
    assert capsys.readouterr().err == f"standing by: nothing was begun in {state.root} yet\n"
    assert state.holds_ledger() == (begun != "nothing")


def test_a_lease_is_as_long_as_was_asked_for_and_renewed_often_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "f.yaml").write_text(new_fleet("mine", 1138, 4))
    account = dict.fromkeys(("AZURE_SUBSCRIPTION_ID", "AZURE_TENANT_ID"), "x")
    (tmp_path / "environment.json").write_text(json.dumps(account))
    state = StateFolder(tmp_path / "state").prepare()
    ledger = Ledger(state.ledger, "mine")
    plan = make_plan(load_fleet("f.yaml", lambda _: (tmp_path / "f.yaml").read_text(), account).fleet, "r1")
    ledger.append([Entry("r", 0.0, "record", "", encode(plan))]).result()
    ledger.close()
    leases: list[Lease] = []

    async def look(environment: Environment, *_: object, **__: object) -> None:
        leases.append(environment.lease)
        raise Enough

    monkeypatch.setattr(deploy, "start_run", look)
    command = ["verify", str(tmp_path / "f.yaml"), "--state", str(state.root)]
    command += ["--env-file", str(tmp_path / "environment.json"), "--lease", "3"]
    assert isinstance(CliRunner().invoke(app, command).exception, Enough)
    assert leases[0]._ttl_s == 3
    assert leases[0].renew_every_s < 1


@pytest.mark.parametrize("seconds", ["nan", "1.9", "41", "inf"])
def test_a_lease_that_is_of_no_use_is_refused(seconds: str) -> None:
    found = CliRunner().invoke(app, ["resume", "f.yaml", "--lease", seconds])
    assert found.exit_code == 2
    assert "give 2 to 40 seconds" in found.output

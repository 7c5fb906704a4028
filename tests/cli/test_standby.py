"""A coordinator that stands by for a run which another one has yet to begin."""

from __future__ import annotations

from pathlib import Path

import pytest

from chainfleet.cli import deploy
from chainfleet.ledger.store import Ledger
from chainfleet.model.fleet_file import new_fleet
from chainfleet.runtime.state import StateFolder
from chainfleet.runtime.targets import TargetOptions


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

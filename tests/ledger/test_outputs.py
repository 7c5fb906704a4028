"""What runs leave behind, and what a destroy takes of it."""

from __future__ import annotations

from pathlib import Path

from chainfleet.ledger.outputs import all_outputs, regions_of, take_up
from chainfleet.ledger.store import Entry, Ledger
from chainfleet.model.fleet import Fleet, Network, Region
from chainfleet.runtime.operations import forgotten_regions
from chainfleet.runtime.state import StateFolder

DEPLOYED = (
    "besu/keys/network",
    "besu/genesis/network",
    "infrastructure/network/uksouth",
    "infrastructure/cluster/uksouth",
    "besu/start/uksouth-0",
    "infrastructure/network/uksouth2",
    "infrastructure/cluster/uksouth2",
    "besu/start/uksouth2-0",
)


def left_after(*undone: str) -> set[str]:
    outputs: dict = {}
    for task in DEPLOYED:
        take_up(outputs, "1-deploy", task, {"made": 1})
    for task in undone:
        take_up(outputs, "2-destroy", task, {"undone": True})
    return set(outputs)


def test_with_a_cluster_goes_what_was_in_it_and_nothing_of_its_neighbours() -> None:
    gone = {"infrastructure/cluster/uksouth", "besu/start/uksouth-0"}
    assert left_after("infrastructure/cluster/uksouth") == set(DEPLOYED) - gone


def test_a_region_that_failed_to_go_is_still_known() -> None:
    left = left_after("infrastructure/cluster/uksouth", "infrastructure/cluster/uksouth2")
    assert regions_of(dict.fromkeys(left)) == {"uksouth", "uksouth2"}


def test_with_the_last_region_everything_is_forgotten() -> None:
    assert left_after(*(task for task in DEPLOYED if task.startswith("infrastructure/"))) == set()


def test_a_region_that_left_the_file_only_is_named_until_it_is_destroyed(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "net").prepare()
    network = Network(chain_id=9, validators_per_region=4)
    fleet = Fleet(name="net", network=network, regions=(Region(name="uksouth"),))
    assert forgotten_regions(state, fleet) == ()

    def write(run: str, *tasks: str) -> None:
        ledger = Ledger(state.ledger, "net")
        ledger.append([Entry(run, 0.0, "outputs", task, "{}") for task in tasks]).result()
        ledger.close()

    write("1-deploy", *DEPLOYED)
    assert forgotten_regions(state, fleet) == ("uksouth2",)
    write("2-destroy", "infrastructure/cluster/uksouth2", "infrastructure/network/uksouth2")
    assert forgotten_regions(state, fleet) == ()
    ledger = Ledger(state.ledger, "net")
    assert "besu/genesis/network" in all_outputs(ledger)
    ledger.close()

"""The short form of the simulation; `python benchmarks/simulation.py` is the long one."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from simulated_books import Files
from simulated_world import World

EVENTS = int(os.environ.get("CHAINFLEET_SIMULATED_EVENTS", "1000000"))
"""Events to play; fewer for a quick look."""

FOUND = {
    4: "a wake-up that came too early was never asked for again",
    31: "a task backed off while what comes before it was reopened, and did not wait for it",
    321: "a skip during a cancel brought its dependents back to life",
    1073: "a region counted as begun because a gate of it had been passed before a crash",
    2510: "what became possible during a pause hid the moment at which a heavier task would",
    3749: "a task asked for again while being stopped came back before its Retry-After",
    9258: "what a reservation had kept out was not looked at when it was lifted",
    10819: "a resume after the end ended the run a second time",
}
"""Seeds that once found a bug, and which."""


@pytest.mark.parametrize("seed", FOUND)
def test_a_seed_that_found_a_bug_stays_silent(seed: int) -> None:
    World(seed).run()


@pytest.mark.timeout(900)
def test_no_invariant_breaks_in_a_million_events() -> None:
    with ProcessPoolExecutor(2) as pool:
        halves = pool.map(_play, (0, 1 << 20), (EVENTS // 2,) * 2)
        assert all(crashes > 0 for crashes in halves)


def _play(seed: int, events: int) -> int:
    crashes = 0
    while events > 0:
        world = World(seed).run()
        seed, events, crashes = seed + 1, events - world.events, crashes + world.crashes
    return crashes


def test_no_invariant_breaks_with_a_real_ledger(tmp_path: Path) -> None:
    """Disks that fill up, processes that are killed, and zombies that were only stopped."""
    crashes = zombies = full_disks = 0
    for seed in range(50_000, 50_040):
        folder = tmp_path / str(seed)
        folder.mkdir()
        world = World(seed, partial(Files, seed=seed, folder=folder)).run()
        books = world.books
        assert isinstance(books, Files)
        crashes, zombies = crashes + world.crashes, zombies + books.zombies
        full_disks += books.full_disks
    assert crashes > 20
    assert zombies > 5
    assert full_disks > 5


def test_the_same_seed_plays_the_same_run() -> None:
    def play() -> tuple[float, int, object]:
        world = World(12).run()
        return world.now, world.events, world.referee.state

    assert play() == play()

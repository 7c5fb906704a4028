"""The short form of the simulation; `python benchmarks/simulation.py` is the long one."""

from __future__ import annotations

import pytest
from simulated_world import World

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


@pytest.mark.parametrize("first", range(0, 240, 24))
def test_no_invariant_breaks_in_random_worlds(first: int) -> None:
    crashes = sum(World(seed).run().crashes for seed in range(first, first + 24))
    assert crashes > 0


def test_the_same_seed_plays_the_same_run() -> None:
    def play() -> tuple[float, int, object]:
        world = World(12).run()
        return world.now, world.events, world.referee.state

    assert play() == play()

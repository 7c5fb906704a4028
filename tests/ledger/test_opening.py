"""Programs that open one database at the same moment: a portal and a deployment, or two deployments side by side."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from chainfleet.ledger.budgets import Budgets
from chainfleet.ledger.database import Place
from chainfleet.ledger.store import Ledger

AT_ONCE = 6


def another(place: Place, number: int) -> Place:
    """A database that isn't there yet, beside this one."""
    if isinstance(place, Path):
        return place.with_name(f"{number}.db")
    return replace(place, environment=f"{place.environment}_{number}")


def open_at_once(opening: Callable[[int], Budgets | Ledger]) -> None:
    """Raises what the first of them met that could not be opened."""
    barrier = threading.Barrier(AT_ONCE)

    def run(number: int) -> None:
        barrier.wait()
        opening(number).close()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(run, range(AT_ONCE)))


def test_budgets_that_are_opened_at_once_are_shared_by_all(place):
    for number in range(10):
        new = another(place, number)
        open_at_once(lambda holder, new=new: Budgets(new, f"run{holder}"))


def test_a_ledger_is_opened_by_several_at_once(place):
    for number in range(10):
        new = another(place, number)
        open_at_once(lambda _, new=new: Ledger(new, "chain-138"))

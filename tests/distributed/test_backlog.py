"""What workers say while the database is away: sent afterwards, in order, within a bound; what was dropped is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from chainfleet.model.errors import EnvironmentProblem
from chainfleet.model.event import AttemptSucceeded, StartAttempt
from chainfleet.runtime.distributed.backlog import Backlog, Said
from chainfleet.runtime.distributed.tables import open_tables
from chainfleet.runtime.distributed.worker import Worker, WorkerOptions, _Order

SAID = "SELECT task, number, kind, body FROM said ORDER BY id"


def said(body: str, task: str = "t", kind: str = "log") -> Said:
    return Said("e", "r", task, 1, kind, body)


def all_of(backlog: Backlog) -> list[tuple[str, str, str]]:
    found = []
    while (one := backlog.take()) is not None:
        found.append((one.task, one.kind, one.body))
    return found


def test_it_keeps_the_order_and_the_bound_and_counts_what_gave_way() -> None:
    backlog = Backlog(most=20)
    for number in range(10):
        backlog.add(said(f"a {number}\nb {number}\n", task="t" if number < 7 else "u"))
    assert all_of(backlog) == [
        ("t", "log", "... 14 lines were dropped here: the database was away\n"),
        ("u", "log", "... 2 lines were dropped here: the database was away\n"),
        ("u", "log", "a 8\nb 8\n"),
        ("u", "log", "a 9\nb 9\n"),
    ]


def test_what_can_t_be_sent_is_the_oldest_again_even_if_it_says_that_something_was_dropped() -> None:
    backlog = Backlog(most=8)
    for body in ("1234\n", "5678\n", "90ab\n"):
        backlog.add(said(body))
    first = backlog.take()
    assert first is not None
    assert first.dropped == 2
    backlog.put_back(first)
    assert [body for _, _, body in all_of(backlog)] == [
        "... 2 lines were dropped here: the database was away\n",
        "90ab\n",
    ]
    backlog.add(said("a\n"))
    taken = backlog.take()
    assert taken is not None
    backlog.add(said("b\n"))
    backlog.put_back(taken)
    assert [body for _, _, body in all_of(backlog)] == ["a\n", "b\n"]


def test_a_progress_that_is_out_of_date_is_no_loss_and_one_that_is_too_long_is_kept() -> None:
    backlog = Backlog(most=4)
    backlog.add(said("half way", kind="progress"))
    backlog.add(said("nearly done", kind="progress"))
    assert all_of(backlog) == [("t", "progress", "nearly done")]


def test_what_is_said_while_the_database_is_away_arrives_before_the_end(
    own_postgresql: Any, tmp_path: Path
) -> None:
    worker = Worker(WorkerOptions(own_postgresql.url, "default", tmp_path, slots=1), say=lambda _: None)
    worker._tables._patience_s = 0.0
    order = _Order("e", "r/t/1", "r", "t", 1, {}, StartAttempt("t", 1, timeout_s=1.0))
    worker._tell(order, "log", "before\n")
    worker._mouth.submit(lambda: None).result()
    own_postgresql.stop()
    for number in range(3):
        worker._tell(order, "log", f"away {number}\n")
        # Each was tried, in vain.
        worker._mouth.submit(lambda: None).result()
    ended = AttemptSucceeded("t", 1)
    with pytest.raises(EnvironmentProblem):
        worker._mouth.submit(worker._end, order.key, ended, {}).result()
    own_postgresql.start()
    worker._mouth.submit(worker._end, order.key, ended, {}).result()
    tables = open_tables(own_postgresql.url)
    assert tables.rows(SAID) == [
        ("t", 1, "log", body) for body in ("before\n", "away 0\n", "away 1\n", "away 2\n")
    ]
    tables.close()
    worker.close()

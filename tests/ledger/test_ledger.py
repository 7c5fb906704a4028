"""The ledger: nothing lost, nothing mixed up, and clear words when it can't be used."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainfleet.ledger.codec import decode, encode
from chainfleet.ledger.database import Place, Postgres, connect
from chainfleet.ledger.lease import Lease
from chainfleet.ledger.mailbox import Ask, Mailbox, Request
from chainfleet.ledger.outside import Changed, Outside
from chainfleet.ledger.projection import project
from chainfleet.ledger.sqlite import MIGRATIONS
from chainfleet.ledger.store import Entry, Ledger
from chainfleet.model.errors import EnvironmentProblem, ErrorClass, LeaseLost, LedgerError
from chainfleet.model.event import (
    AttemptFailed,
    AttemptSucceeded,
    Finish,
    LimitObserved,
    RunStarted,
    SkipRequested,
    StartAttempt,
    StateChanged,
    TaskState,
    Verdict,
)
from chainfleet.model.fleet import Fleet
from chainfleet.scheduling.planning import make_plan


def entry(run: str, body: str, kind: str = "note", subject: str = "n") -> Entry:
    return Entry(run, 0.0, kind, subject, body)


def place_code(place: Place) -> str:
    """Code that makes the same place in another process."""
    return repr(place) if isinstance(place, Postgres) else f"Path({str(place)!r})"


def test_records_come_back_in_order_and_by_run(place: Place) -> None:
    ledger = Ledger(place, "f")
    for number in range(300):
        last = ledger.append([entry(f"run-{number % 2}", str(number))])
    last.result()
    assert [r.body for r in ledger.records("run-1")] == [str(n) for n in range(1, 300, 2)]
    assert ledger.runs() == ["run-0", "run-1"]
    ledger.close()


def test_a_record_that_no_database_takes_is_told_to_whoever_waits(place: Place) -> None:
    ledger = Ledger(place, "f")
    ledger.append([entry("r", "1")]).result(60)
    with pytest.raises((LedgerError, EnvironmentProblem)):
        ledger.append([entry("r", "2", subject="\ud800")]).result(60)
    with pytest.raises((LedgerError, EnvironmentProblem)):
        ledger.append([entry("r", "3")]).result(60)
    assert [r.body for r in ledger.records("r")] == ["1"]
    with pytest.raises((LedgerError, EnvironmentProblem)):
        ledger.close()


def test_what_was_acknowledged_survives_kill_9(place: Place) -> None:
    program = (
        "import os, sys; from chainfleet.ledger.database import *\n"
        "from chainfleet.ledger.store import Entry, Ledger\n"
        f"ledger = Ledger({place_code(place)}, 'f')\n"
        "for n in range(50):\n"
        "    ledger.append([Entry('r', 0.0, 'note', 'n', str(n))]).result(); print(n, flush=True)\n"
        "ledger.append([Entry('r', 0.0, 'note', 'n', 'x')] * 1000)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    acknowledged = done.stdout.split()
    ledger = Ledger(place, "f")
    bodies = [r.body for r in ledger.records("r")]
    ledger.close()
    assert len(acknowledged) == 50
    assert bodies[:50] == acknowledged
    assert len(bodies) in (50, 1050), "a batch is there whole or not at all"


def test_a_folder_of_another_fleet_is_refused(place: Place) -> None:
    Ledger(place, "one").close()
    with pytest.raises(LedgerError, match="state folder of fleet `one`, not of `two`"):
        Ledger(place, "two")


def test_a_ledger_from_a_newer_version_is_refused_and_left_alone(place: Place) -> None:
    Ledger(place, "f").close()
    connection = connect(place)
    connection.change("UPDATE meta SET value = '99' WHERE key = 'schema'")
    tables = connection.tables()
    with pytest.raises(LedgerError, match="schema 99"):
        Ledger(place, "f")
    assert connection.tables() == tables
    connection.close()


def test_requests_are_taken_once_and_in_order(place: Place) -> None:
    Ledger(place, "f").close()
    mailbox = Mailbox(place)
    mailbox.post(Request(Ask.DRAIN))
    mailbox.post(Request(Ask.EVENT, SkipRequested("a/b/c")))
    assert mailbox.take() == [Request(Ask.DRAIN), Request(Ask.EVENT, SkipRequested("a/b/c"))]
    assert mailbox.take() == []
    mailbox.close()


def test_who_was_deposed_writes_nothing_more(place: Place) -> None:
    ledger = Ledger(place, "f")
    lease = Lease(place, wall=lambda: 1000.0)
    ledger.guard(lease.name, lease.fence)
    ledger.append([entry("r", "mine")]).result()
    Lease(place, wall=lambda: 2000.0).release()
    with pytest.raises(LeaseLost):
        ledger.append([entry("r", "too late")]).result()
    assert [record.body for record in ledger.records("r")] == ["mine"]
    ledger.close()
    lease.release()


def test_whoever_looks_from_outside_sees_writes_and_their_order(place: Place) -> None:
    ledger = Ledger(place, "f")
    outside = Outside(place)
    before = outside.version()
    assert ledger.append([entry("r-1", "a"), entry("r-2", "b")]).result() == 2
    assert outside.version() != before
    before = outside.version()
    assert outside.append([entry("", "{}", "environment")], based_on=0) == 3
    with pytest.raises(Changed):
        outside.append([entry("", "{}", "environment")], based_on=0)
    assert ledger.append([entry("r-1", "c"), entry("r-1", "o", "outputs")]).result() == 5
    assert outside.head() == 5
    assert outside.runs() == ["r-1", "r-2"]
    assert [r.body for r in outside.records(after=1, until=4)] == ["b", "{}", "c"]
    assert [r.body for r in outside.records(run="r-1", limit=2)] == ["a", "c"]
    assert [r.seq for r in outside.environment()] == [3]
    assert [r.body for r in outside.outputs()] == ["o"]
    assert [r.body for r in outside.notes("r-1", "n", 1)] == ["c"]
    last = outside.last("r-1")
    assert last is not None
    assert last.seq == 5
    ledger.close()
    outside.close()


def test_samples_are_thinned_and_forgotten(place: Place) -> None:
    Ledger(place, "f").close()
    outside = Outside(place)
    for second in range(20):
        outside.add_sample(1000.0 + second, str(second), keep_s=15.0)
    outside.add_sample(1019.0, "again", keep_s=15.0)
    assert [body for _, body in outside.samples(since=1008.0, step_s=5.0)] == ["9", "14", "again"]
    assert len(outside.samples(since=0.0, step_s=0.5)) == 16
    outside.close()


def test_many_writers_leave_no_gap_and_nobody_reads_past_one(place: Place) -> None:
    Ledger(place, "f").close()
    writers, rounds = 4, 25
    seen: list[int] = []

    def write() -> None:
        outside = Outside(place)
        for number in range(rounds):
            outside.append([entry("r", str(number))])
        outside.close()

    threads = [threading.Thread(target=write) for _ in range(writers)]
    reader = Outside(place)
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60
    while len(seen) < writers * rounds and time.monotonic() < deadline:
        seen += [record.seq for record in reader.records(after=seen[-1] if seen else 0)]
    for thread in threads:
        thread.join()
    reader.close()
    assert seen == list(range(1, writers * rounds + 1))


def test_a_ledger_that_is_removed_ends_the_lease(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger(path, "toy").close()
    lease = Lease(path)
    lease.renew()
    path.rename(tmp_path / "elsewhere.db")
    with pytest.raises(LeaseLost, match="was removed while it was in use"):
        lease.renew()
    Ledger(path, "toy").close()
    with pytest.raises(LeaseLost, match="was removed"):
        lease.renew()
    lease.release()


def test_a_ledger_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "l.db") as connection:
        connection.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
        connection.execute("INSERT INTO meta VALUES ('schema', '1'), ('fleet', 'f')")
        for statement in MIGRATIONS[0]:
            connection.execute(statement)
        connection.execute("INSERT INTO record VALUES (1, 'r', 0, 0, 'note', 'n', '{}')")
    connection.close()
    ledger = Ledger(tmp_path / "l.db", "f")
    assert [r.body for r in ledger.records("r")] == ["{}"]
    ledger.close()
    mailbox = Mailbox(tmp_path / "l.db")
    mailbox.post(Request(Ask.DRAIN))
    mailbox.post(Request(Ask.EVENT, SkipRequested("a/b/c")))
    assert mailbox.take() == [Request(Ask.DRAIN), Request(Ask.EVENT, SkipRequested("a/b/c"))]
    assert mailbox.take() == []
    mailbox.close()
    with sqlite3.connect(tmp_path / "l.db") as connection:
        schema = connection.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()[0]
    connection.close()
    assert int(schema) == len(MIGRATIONS)


def test_a_migration_that_fails_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Ledger(tmp_path / "l.db", "f").close()
    before = (tmp_path / "l.db").read_bytes()
    broken = (*MIGRATIONS, ("CREATE TABLE more (a)", "CREATE TABLE more (a)"))
    monkeypatch.setattr("chainfleet.ledger.sqlite.MIGRATIONS", broken)
    with pytest.raises(EnvironmentProblem, match="more"):
        Ledger(tmp_path / "l.db", "f")
    assert (tmp_path / "l.db").read_bytes() == before


def _read_all(path: Path) -> None:
    ledger = Ledger(path, "f")
    try:
        list(ledger.records("r"))
    finally:
        ledger.close()


def test_a_damaged_page_is_said_to_be_damaged_and_nothing_is_lost(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.db", "f")
    ledger.append([entry("r", f'"{"x" * 100}"') for _ in range(500)]).result()
    ledger.close()
    data = bytearray((tmp_path / "l.db").read_bytes())
    data[-3 * 4096 : -4096] = bytes(2 * 4096)
    (tmp_path / "l.db").write_bytes(bytes(data))
    with pytest.raises(LedgerError, match="damaged"):
        _read_all(tmp_path / "l.db")
    assert (tmp_path / "l.db").read_bytes() == bytes(data)


def test_a_damaged_ledger_is_said_to_be_damaged(tmp_path: Path) -> None:
    (tmp_path / "l.db").write_bytes(b"this is not a database" * 400)
    with pytest.raises(LedgerError, match="damaged"):
        Ledger(tmp_path / "l.db", "f")


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/self").exists(), reason="needs /proc")
def test_a_folder_that_can_not_be_written_is_one_clear_error() -> None:
    with pytest.raises(EnvironmentProblem, match="can't write the ledger"):
        Ledger(Path("/proc/self/nothing/l.db"), "f")


def test_a_full_disk_is_told_to_whoever_waits(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.db", "f")
    ledger.append([entry("r", "a")]).result()
    with sqlite3.connect(tmp_path / "l.db") as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.close()
    ledger.limit_pages(pages + 1)
    future = ledger.append([entry("r", "x" * 500_000)])
    with pytest.raises(EnvironmentProblem, match="full"):
        future.result()
    with pytest.raises(EnvironmentProblem):
        ledger.append([entry("r", "b")])
    with pytest.raises(EnvironmentProblem):
        ledger.close()


def test_one_lease_at_a_time(place: Place) -> None:
    Ledger(place, "f").close()
    first = Lease(place)
    with pytest.raises(LeaseLost, match="is running this environment"):
        Lease(place)
    first.release()
    second = Lease(place)
    assert second.fence > first.fence
    second.release()


def test_a_stale_lease_is_taken_over_and_the_old_holder_finds_out(place: Place) -> None:
    Ledger(place, "f").close()
    now = 1000.0
    old = Lease(place, wall=lambda: now)
    new = Lease(place, wall=lambda: now + 60)
    with pytest.raises(LeaseLost):
        old.check()
    with pytest.raises(LeaseLost):
        old.renew()
    new.check()
    new.release()
    old.release()


def test_the_lease_of_a_killed_process_is_free_at_once(place: Place) -> None:
    Ledger(place, "f").close()
    program = f"import os; from chainfleet.ledger.database import *\nfrom chainfleet.ledger.lease import Lease\nLease({place_code(place)}); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", program], check=False)
    Lease(place).release()


texts = st.text(max_size=30)
things = st.one_of(
    st.builds(AttemptSucceeded, texts, st.integers(1, 9), changed=st.booleans()),
    st.builds(
        AttemptFailed,
        texts,
        st.integers(1, 9),
        st.sampled_from(ErrorClass),
        texts,
        retry_after_s=st.none() | st.floats(0, 9),
    ),
    st.builds(StateChanged, texts, st.sampled_from(TaskState), texts),
    st.builds(LimitObserved, texts, remaining=st.none() | st.floats(0, 9), throttled=st.integers(0, 3)),
    st.builds(RunStarted, done=st.dictionaries(texts, st.sampled_from(TaskState), max_size=3)),
    st.builds(
        Finish, st.sampled_from(Verdict), regions=st.dictionaries(texts, st.sampled_from(Verdict), max_size=3)
    ),
)


@given(things)
def test_what_is_written_is_what_is_read(thing: object) -> None:
    assert decode(encode(thing)) == thing


def test_a_plan_survives_writing(chain_138: Fleet) -> None:
    plan = make_plan(chain_138, "r1")
    assert decode(encode(plan)) == plan


@pytest.mark.parametrize("text", ["", "{}", '{"type":"Unheard"}', '{"type":"TimePassed","more":1}', "[1]"])
def test_a_record_of_unknown_kind_is_an_error_and_not_skipped(text: str) -> None:
    with pytest.raises(LedgerError):
        decode(text)


def test_a_view_is_what_the_records_say(place: Place) -> None:
    ledger = Ledger(place, "f")
    story = [
        StateChanged("a", TaskState.RUNNING),
        StartAttempt("a", 1, 60.0),
        AttemptFailed("a", 1, ErrorClass.CAPACITY, "no room"),
        StateChanged("a", TaskState.BACKING_OFF, "no room"),
        StartAttempt("a", 2, 60.0),
        AttemptSucceeded("a", 2),
        StateChanged("a", TaskState.SUCCEEDED),
    ]
    ledger.append([Entry("r", float(i), "record", "a", encode(t)) for i, t in enumerate(story)]).result()
    view = project("r", ledger.records("r"))
    ledger.close()
    assert view.states == {"a": TaskState.SUCCEEDED}
    assert view.attempts == {"a": 2}
    assert [(s.start, s.end, s.ok, s.error_class) for s in view.spans] == [
        (1, 2, False, "capacity"),
        (4, 5, True, ""),
    ]
    assert view.retries == 1

"""The ledger: nothing lost, nothing mixed up, and clear words when it can't be used."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainfleet.ledger.codec import decode, encode
from chainfleet.ledger.lease import Lease
from chainfleet.ledger.mailbox import Ask, Mailbox, Request
from chainfleet.ledger.projection import project
from chainfleet.ledger.store import MIGRATIONS, SCHEMA_VERSION, Entry, Ledger
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


def test_records_come_back_in_order_and_by_run(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.db", "f")
    for number in range(300):
        last = ledger.append([entry(f"run-{number % 2}", str(number))])
    last.result()
    assert [r.body for r in ledger.records("run-1")] == [str(n) for n in range(1, 300, 2)]
    assert ledger.runs() == ["run-0", "run-1"]
    ledger.close()


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path\n"
        "from chainfleet.ledger.store import Entry, Ledger\n"
        f"ledger = Ledger(Path({str(tmp_path / 'l.db')!r}), 'f')\n"
        "for n in range(50):\n"
        "    ledger.append([Entry('r', 0.0, 'note', 'n', str(n))]).result(); print(n, flush=True)\n"
        "ledger.append([Entry('r', 0.0, 'note', 'n', 'x')] * 1000)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    acknowledged = done.stdout.split()
    ledger = Ledger(tmp_path / "l.db", "f")
    bodies = [r.body for r in ledger.records("r")]
    ledger.close()
    assert len(acknowledged) == 50
    assert bodies[:50] == acknowledged
    assert len(bodies) in (50, 1050), "a batch is there whole or not at all"


def test_a_folder_of_another_fleet_is_refused(tmp_path: Path) -> None:
    Ledger(tmp_path / "l.db", "one").close()
    with pytest.raises(LedgerError, match="state folder of fleet `one`, not of `two`"):
        Ledger(tmp_path / "l.db", "two")


def test_a_ledger_from_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    Ledger(tmp_path / "l.db", "f").close()
    with sqlite3.connect(tmp_path / "l.db") as connection:
        connection.execute("UPDATE meta SET value = '99' WHERE key = 'schema'")
    connection.close()
    with pytest.raises(LedgerError, match="schema 99"):
        Ledger(tmp_path / "l.db", "f")


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
    assert int(schema) == SCHEMA_VERSION


def test_a_migration_that_fails_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Ledger(tmp_path / "l.db", "f").close()
    before = (tmp_path / "l.db").read_bytes()
    broken = (*MIGRATIONS, ("CREATE TABLE more (a)", "CREATE TABLE more (a)"))
    monkeypatch.setattr("chainfleet.ledger.store.MIGRATIONS", broken)
    monkeypatch.setattr("chainfleet.ledger.store.SCHEMA_VERSION", len(broken))
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


def test_one_lease_at_a_time(tmp_path: Path) -> None:
    Ledger(tmp_path / "l.db", "f").close()
    first = Lease(tmp_path / "l.db")
    with pytest.raises(LeaseLost, match="is running this environment"):
        Lease(tmp_path / "l.db")
    first.release()
    second = Lease(tmp_path / "l.db")
    assert second.fence > first.fence
    second.release()


def test_a_stale_lease_is_taken_over_and_the_old_holder_finds_out(tmp_path: Path) -> None:
    Ledger(tmp_path / "l.db", "f").close()
    now = 1000.0
    old = Lease(tmp_path / "l.db", wall=lambda: now)
    new = Lease(tmp_path / "l.db", wall=lambda: now + 60)
    with pytest.raises(LeaseLost):
        old.check()
    with pytest.raises(LeaseLost):
        old.renew()
    new.check()
    new.release()
    old.release()


def test_the_lease_of_a_killed_process_is_free_at_once(tmp_path: Path) -> None:
    Ledger(tmp_path / "l.db", "f").close()
    program = f"import os; from pathlib import Path\nfrom chainfleet.ledger.lease import Lease\nLease(Path({str(tmp_path / 'l.db')!r})); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", program], check=False)
    Lease(tmp_path / "l.db").release()


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


def test_a_view_is_what_the_records_say(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "l.db", "f")
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

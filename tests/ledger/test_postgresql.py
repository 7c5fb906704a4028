"""What only a database on the other end of a line can do to a ledger."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import psycopg
import pytest

from chainfleet.ledger.database import PATIENCE_S, Postgres, postgres_place
from chainfleet.ledger.lease import Lease, open_lease
from chainfleet.ledger.outside import Outside
from chainfleet.ledger.postgres import PostgresConnection
from chainfleet.ledger.store import Entry, Ledger
from chainfleet.model.errors import EnvironmentProblem, InputError, LeaseLost, LeaseUnconfirmed, LedgerError
from chainfleet.runtime.state import StateFolder

T = TypeVar("T")


def again(work: Callable[[], T], error: type[Exception]) -> T:
    """Until it doesn't raise that any more: on a busy machine a short lease may run out between two renewals."""
    while True:
        try:
            return work()
        except error:
            time.sleep(0.05)


def note(body: str) -> Entry:
    return Entry("r", 0.0, "note", "n", body)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_a_restarted_database_loses_nothing_and_doubles_nothing(
    own_postgresql: Any, how: signal.Signals
) -> None:
    place = Postgres(own_postgresql.url, "e")
    ledger = Ledger(place, "f")
    lease = Lease(place)
    outside = Outside(place)
    stop, written = threading.Event(), [0]

    def write() -> None:
        while not stop.is_set():
            ledger.append([note(str(written[0]))]).result()
            written[0] += 1

    writer = threading.Thread(target=write)
    writer.start()
    for restarts in range(3):
        while written[0] < 10 * (restarts + 1):
            assert writer.is_alive()
            time.sleep(0.01)
        own_postgresql.stop(how)
        own_postgresql.start()
        lease.renew()
        lease.check()
        outside.append([Entry("", 0.0, "note", "outside", "x")])
    stop.set()
    writer.join()
    assert [r.body for r in ledger.records("r")] == [str(n) for n in range(written[0])]
    assert written[0] >= 30
    assert [r.seq for r in outside.records()] == list(range(1, written[0] + 4))
    outside.close()
    lease.release()
    ledger.close()


def test_a_lease_that_is_renewed_while_another_one_takes_it_stays(
    postgresql: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Postgres(postgresql.url, "renewed")
    Ledger(place, "f").close()
    first = Lease(place, wall=lambda: 1000.0)

    def renewed_meanwhile(_: str) -> bool:
        first.renew()
        return True

    monkeypatch.setattr("chainfleet.ledger.lease._is_dead", renewed_meanwhile)
    first._wall = lambda: 1001.0
    with pytest.raises(LeaseLost, match="is running this environment"):
        Lease(place, wall=lambda: 1010.0)
    first.check()
    first._wall = lambda: 990.0
    first.renew()
    assert first._connection.rows("SELECT expires FROM lease") == [(1021.0,)], (
        "a late renewal takes nothing back"
    )
    first.release()


def test_a_lease_that_cannot_be_renewed_runs_out_before_others_may_take_it(own_postgresql: Any) -> None:
    place = Postgres(own_postgresql.url, "e")
    Ledger(place, "f").close()
    lease = open_lease(place, ttl_s=2.0)
    again(lease.check, LeaseUnconfirmed)
    own_postgresql.stop()
    with pytest.raises(LeaseUnconfirmed, match="could not be asked"):
        lease.check()
    assert lease.left_s <= 0
    lease.renew()
    own_postgresql.start()
    again(lease.check, LeaseUnconfirmed)
    # A renewal may come between its looking and its taking.
    taken = again(lambda: Lease(place, wall=lambda: time.time() + 60), LeaseLost)
    while lease.left_s > 0:
        time.sleep(0.05)
    for ask in (lease.check, lease.renew):
        with pytest.raises(LeaseLost, match="another coordinator took over"):
            ask()
    lease.release()
    taken.check()
    taken.release()


def test_a_database_that_was_waited_for_in_vain_is_not_waited_for_again(
    own_postgresql: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Postgres(own_postgresql.url, "e")
    Ledger(place, "f").close()
    connection = PostgresConnection(place, patience_s=0.5)
    waits: list[float] = []
    own_postgresql.stop()
    with pytest.raises(EnvironmentProblem, match="can't reach"):
        connection.rows("SELECT 1")
    with monkeypatch.context() as patch:
        patch.setattr("chainfleet.ledger.postgres.time.sleep", waits.append)
        with pytest.raises(EnvironmentProblem, match="can't reach"):
            connection.rows("SELECT 1")
    assert waits == []
    own_postgresql.start()
    assert connection.rows("SELECT 1") == [(1,)]
    connection.close()


def test_a_commit_whose_answer_was_lost_is_not_written_twice(postgresql: Any) -> None:
    place = Postgres(postgresql.url, "lost_answer")
    ledger = Ledger(place, "f")
    writer: Any = ledger._writer
    real, broken = writer._connected, []

    def lose_the_answer() -> Any:
        line = real()
        if not broken and writer._batch == 2:
            broken.append(line)
            return _Deaf(line)
        return line

    writer._connected = lose_the_answer
    ledger.append([note("1")]).result()
    ledger.append([note("2")]).result()
    ledger.append([note("3")]).result()
    assert broken
    assert [r.body for r in ledger.records("r")] == ["1", "2", "3"]
    ledger.close()


class _Deaf:
    """A line that breaks right after the commit, before its answer is heard."""

    def __init__(self, line: Any) -> None:
        self._line = line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._line, name)

    def transaction(self) -> Any:
        return self

    def __enter__(self) -> None:
        self._line.execute("BEGIN")

    def __exit__(self, *_: object) -> None:
        self._line.execute("COMMIT")
        self._line.close()
        raise psycopg.OperationalError("the line broke")


def test_a_server_nobody_runs_is_told_at_once() -> None:
    place = Postgres("postgresql://postgres@127.0.0.1:1/postgres", "e")
    began = time.monotonic()
    with pytest.raises(EnvironmentProblem, match=r"can't reach the ledger of e in .*refused"):
        Ledger(place, "f")
    assert time.monotonic() - began < PATIENCE_S


def test_a_wrong_database_and_one_without_a_ledger_are_told(postgresql: Any) -> None:
    wrong = Postgres(
        postgresql.url.replace("/postgres", "/nowhere", 2).replace("/nowhere@", "/postgres@"), "e"
    )
    with pytest.raises(EnvironmentProblem, match="nowhere"):
        Ledger(wrong, "f")
    with pytest.raises(LedgerError, match="there is no ledger of never_made"):
        Outside(Postgres(postgresql.url, "never_made"))


def test_a_database_that_takes_no_writes_stops_the_run_with_a_clear_word(postgresql: Any) -> None:
    place = Postgres(postgresql.url, "read_only")
    ledger = Ledger(place, "f")
    ledger.append([note("1")]).result()
    writer: Any = ledger._writer
    writer._connected().execute("SET default_transaction_read_only = on")
    with pytest.raises(EnvironmentProblem, match="can't write the ledger of read_only"):
        ledger.append([note("2")]).result()
    with pytest.raises(EnvironmentProblem):
        ledger.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://me:secret@db/fleets", "holds a password"),
        ("postgresql://me@db/fleets?password=secret", "holds a password"),
        ("mysql://db/fleets", "not known"),
        ("postgresql://db", "not known"),
    ],
)
def test_addresses_that_cannot_be_used_are_refused_and_not_repeated_with_their_password(
    url: str, said: str
) -> None:
    with pytest.raises(InputError, match=said) as raised:
        postgres_place(url, "e")
    assert "secret" not in str(raised.value)


def test_a_folder_remembers_its_database_and_refuses_another(tmp_path: Path, postgresql: Any) -> None:
    folder = StateFolder(tmp_path / "remembered", postgresql.url).prepare()
    assert not folder.holds_ledger()
    Ledger(folder.ledger, "f").close()
    folder.settle()
    later = StateFolder(tmp_path / "remembered")
    assert later.holds_ledger()
    assert later.ledger == Postgres(postgresql.url, "remembered")
    assert later.ledger.exists()
    with pytest.raises(InputError, match="lies in postgresql"):
        _ = StateFolder(tmp_path / "remembered", "postgresql://elsewhere/db").ledger
    other = StateFolder(tmp_path / "file").prepare()
    Ledger(other.ledger, "f").close()
    with pytest.raises(InputError, match=r"lies in ledger\.db"):
        _ = StateFolder(tmp_path / "file", postgresql.url).ledger

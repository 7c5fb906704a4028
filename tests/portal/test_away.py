"""Ledgers that can't be read for a while: the portal goes on with everything else, says so, and misses nothing after."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from running_portal import Running
from test_environments import staging
from test_guards import problem
from test_stream import Frame, Listening, stays, stream, write

from chainfleet.ledger.database import Postgres
from chainfleet.ledger.outside import Outside
from chainfleet.ledger.store import Entry, Ledger
from chainfleet.model.errors import LedgerAway
from chainfleet.portal import journal as journals_module
from chainfleet.portal.batches import Reader
from chainfleet.portal.environments import registry
from chainfleet.portal.environments.desk import Desk
from chainfleet.portal.journal import Journal
from chainfleet.portal.own_thread import OwnThread

pytestmark = pytest.mark.timeout(300)

NOTE = Entry("r", 0.0, "note", "n", '{"i":1}')


def stored(start: Callable[..., Running], url: str, name: str = "staging") -> tuple[Running, httpx2.Client]:
    """A portal with `dev` in a file and another environment in a database, and an admin of it."""
    running = start(database=url)
    admin = running.client()
    response = admin.post("/environments", json=staging(name=name))
    assert response.status_code == 201, response.text
    return running, admin


@contextmanager
def silent(url: str, place: Postgres) -> Iterator[None]:
    """A database that takes every question about the ledger's records and answers none."""
    with psycopg.connect(url) as line, psycopg.connect(url, autocommit=True) as other:
        line.execute(f"LOCK TABLE {place.schema}.record IN ACCESS EXCLUSIVE MODE")
        # Somebody committed something: the portal has reason to look.
        other.execute("SELECT txid_current()")
        yield
        line.rollback()


def standing(frames: Iterator[Frame], environment: str) -> Frame:
    """What the next frame about that environment's ledger says."""
    found = (frame["data"] for frame in frames if frame["event"] == "ledger")
    return next(data for data in found if data["environment"] == environment)


def places(frames: Iterator[Frame]) -> list[int]:
    """Sequence numbers of the next batch."""
    return [one["seq"] for one in next(frame for frame in frames if frame["event"] == "batch")["data"]]


def until(look: Callable[[], Any]) -> Any:
    """What it finds, waited for."""
    end = time.monotonic() + 120
    while not (found := look()):
        assert time.monotonic() < end
        time.sleep(0.02)
    return found


def threads() -> list[str]:
    """Threads that journals have."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("journal of ")]


def test_a_database_that_is_silent_holds_up_nothing_else(
    postgresql: Any, start: Callable[..., Running], ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals_module, "ANSWER_S", 1.0)
    portal, admin = stored(start, postgresql.url, "silent")
    place = Postgres(postgresql.url, "silent")
    with (
        closing(Ledger(place, "staging")) as other,
        stream(admin, environment=["dev", "silent"]) as frames,
    ):
        with silent(postgresql.url, place):
            away = standing(frames, "silent")
            assert away["away_since"] <= time.time()
            assert away["detail"] == "the ledger of silent has not answered for 1 s"
            # While it is silent the other environment goes on, for who listens and for who comes anew.
            last = write(ledger, 2)
            assert places(frames)[-1] == last
            with stream(admin, environment="dev", since=last - 1) as again:
                assert places(again) == [last]
            assert portal.bare().get(f"{portal.url}/livez").text == "ok\n"
            assert "ledgers_away" in portal.bare().get(f"{portal.url}/metrics").text
        assert standing(frames, "silent")["away_since"] is None
        seq = other.append([NOTE]).result()
        assert places(frames) == [seq]


def test_streams_outlive_a_restart_of_their_database_and_miss_nothing(
    own_postgresql: Any, start: Callable[..., Running]
) -> None:
    _, admin = stored(start, own_postgresql.url)
    place = Postgres(own_postgresql.url, "staging")
    with stream(admin, environment="staging", since=0) as frames:
        seen = places(frames)
        own_postgresql.stop()
        assert standing(frames, "staging")["away_since"] <= time.time()
        # Who comes now is told that it can't be asked, not that what they saw never was.
        problem(admin.get("/events", params={"environment": "staging", "since": 99}), 503, "ledger-away")
        own_postgresql.start()
        assert standing(frames, "staging")["away_since"] is None
        with closing(Ledger(place, "staging")) as other:
            other.append([NOTE, NOTE]).result()
        seen += places(frames)
    assert seen == list(range(1, len(seen) + 1))
    assert len(seen) >= 3


def test_a_ledger_made_anew_in_its_database_ends_the_stream(
    postgresql: Any, start: Callable[..., Running]
) -> None:
    _, admin = stored(start, postgresql.url, "anew")
    place = Postgres(postgresql.url, "anew")
    with stream(admin, environment="anew") as frames:
        with psycopg.connect(postgresql.url) as line:
            # In one transaction: nobody ever sees it gone.
            line.execute(f"ALTER SCHEMA {place.schema} RENAME TO before_anew")
            line.execute(f"CREATE SCHEMA {place.schema}")
            for table in ("meta", "record", "lease", "request", "sample", "writer"):
                line.execute(f"CREATE TABLE {place.schema}.{table} (LIKE before_anew.{table} INCLUDING ALL)")
            values = "SELECT key, CASE key WHEN 'id' THEN 'other' ELSE value END FROM before_anew.meta"
            line.execute(f"INSERT INTO {place.schema}.meta {values}")
        ending = next(frame for frame in frames if frame["event"] != "ledger")
        assert ending["data"] == {"reason": "epoch", "heads": {}}
    with stream(admin, environment="anew") as frames, closing(Ledger(place, "staging")) as other:
        seq = other.append([NOTE]).result()
        assert places(frames) == [seq]


def test_environments_whose_ledger_is_away_say_so_in_the_list(
    own_postgresql: Any, start: Callable[..., Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chainfleet.portal.environments.desk.PATIENCE_S", 0.2)
    portal, admin = stored(start, own_postgresql.url)
    began = time.time()
    own_postgresql.stop()
    found = {item["name"]: item for item in admin.get("/environments").json()["items"]}
    assert found["dev"]["ledger_problem"] is None
    trouble = found["staging"]["ledger_problem"]
    assert trouble["kind"] == "ledger-away"
    assert began <= trouble["since"] <= time.time()
    assert "can't reach the ledger" in trouble["detail"]
    assert found["staging"]["allowed"] == []
    assert "chainfleet_portal_ledgers_away 1\n" in portal.bare().get(f"{portal.url}/metrics").text
    # A page for that environment alone asks anew; a list lets it rest, and remembers since when.
    refused = admin.get("/environments/staging")
    problem(refused, 503, "ledger-away")
    assert refused.headers["retry-after"]
    again = {item["name"]: item for item in admin.get("/environments").json()["items"]}
    assert again["staging"]["ledger_problem"]["since"] == trouble["since"]
    # A portal that starts now has never read it.
    fresh = {item["name"]: item for item in start().client().get("/environments").json()["items"]}
    assert fresh["staging"]["ledger_problem"]["kind"] == "ledger-away"
    own_postgresql.start()
    monkeypatch.setattr(registry, "_AGAIN_S", 0.0)
    back = {item["name"]: item for item in admin.get("/environments").json()["items"]}
    assert back["staging"]["ledger_problem"] is None
    assert back["staging"]["fleet"]["validators"] == 8
    assert "chainfleet_portal_ledgers_away 0\n" in portal.bare().get(f"{portal.url}/metrics").text


def test_a_page_that_wants_all_environments_waits_for_all_of_them_at_once(
    admin: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("second", "third"):
        assert admin.post("/environments/dev/clone", json={"name": name}).is_success
    together = threading.Barrier(3)

    def away(desk: Desk) -> Any:
        # Each goes on when all have come: one after the other none ever would.
        together.wait(120)
        raise LedgerAway(f"{desk.name} is away")

    monkeypatch.setattr(Desk, "environment", away)
    found = admin.get("/environments", timeout=150).json()["items"]
    assert [item["ledger_problem"]["detail"] for item in found] == [
        f"{name} is away" for name in ("dev", "second", "third")
    ]


def test_who_comes_while_environments_are_looked_for_the_first_time_sees_them_all(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening, go = threading.Event(), threading.Event()
    making = Desk.__init__

    def slow(desk: Desk, *given: Any) -> None:
        opening.set()
        go.wait()
        making(desk, *given)

    monkeypatch.setattr(Desk, "__init__", slow)
    found = registry.Registry(home, {})
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(found.desks)
        opening.wait()
        second = pool.submit(found.desks)
        # Long enough for who doesn't wait; who does waits for any time.
        time.sleep(0.2)
        go.set()
        assert [desk.name for desk in first.result()] == [desk.name for desk in second.result()] == ["dev"]
    found.close()


# --- what no client can bring about at will -------------------------------------------------------


def test_what_is_written_while_a_ledger_is_opened_is_told(
    home: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = Outside.stamp

    def stamp(outside: Outside) -> tuple[str, int]:
        found = reading(outside)
        monkeypatch.setattr(Outside, "stamp", reading)
        write(ledger, 1)
        return found

    async def run() -> None:
        monkeypatch.setattr(Outside, "stamp", stamp)
        journal = Journal("dev", home / "dev" / "ledger.db", lambda: None)
        await journal.begin()
        before = journal.head
        await journal.poll()
        assert journal.head == before + 1
        await asyncio.wrap_future(journal.close())

    asyncio.run(run())


def test_a_ledger_that_was_replaced_stays_so_whatever_is_put_back(home: Path) -> None:
    path = home / "dev" / "ledger.db"

    async def run() -> None:
        journal = Journal("dev", path, lambda: None)
        await journal.begin()
        path.rename(path.with_name("aside"))
        await journal.poll()
        assert journal.replaced
        path.with_name("aside").rename(path)
        await journal.poll()
        assert journal.replaced
        await asyncio.wrap_future(journal.close())

    asyncio.run(run())


def test_many_who_begin_at_once_share_one_journal_and_leave_no_thread(home: Path, ledger: Ledger) -> None:
    async def run() -> None:
        listening = Listening()
        opened = await asyncio.gather(*(listening.open(home / "dev" / "ledger.db") for _ in range(20)))
        assert listening.counts() == (20, 1)
        assert len(threads()) == 1
        last = write(ledger, 3)
        try:
            for response in opened:
                while f"id: {last}\n".encode() not in await anext(response._frames):
                    pass
        finally:
            for response in opened:
                response._over()
                await response._frames.aclose()
        assert listening.counts() == (0, 0)

    asyncio.run(run())
    until(lambda: not threads())


def test_who_goes_while_the_ledger_is_silent_leaves_nothing_behind(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answer = threading.Event(), threading.Event()
    opening = Reader.open

    def slow(reader: Reader) -> Any:
        asked.set()
        answer.wait()
        return opening(reader)

    monkeypatch.setattr(Reader, "open", slow)

    async def run() -> None:
        listening = Listening()
        joining = asyncio.create_task(listening.open(home / "dev" / "ledger.db"))
        await asyncio.to_thread(asked.wait)
        joining.cancel()
        with pytest.raises(asyncio.CancelledError):
            await joining
        assert listening.counts() == (0, 0)
        monkeypatch.setattr(journals_module, "ANSWER_S", 0.1)
        with pytest.raises(LedgerAway, match="has not answered"):
            await listening.open(home / "dev" / "ledger.db")
        assert listening.counts() == (0, 0)
        monkeypatch.setattr(journals_module, "CLOSE_S", 0.1)
        await listening.journals.close()

    asyncio.run(run())
    answer.set()
    until(lambda: not threads())


def test_a_mistake_in_following_ends_the_streams_instead_of_leaving_them_without_news(
    home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    def mistaken(*_: object) -> None:
        raise ZeroDivisionError("a mistake")

    async def run() -> None:
        listening = Listening()
        response = await listening.open(home / "dev" / "ledger.db")
        monkeypatch.setattr(Reader, "signs", mistaken)
        await response({}, stays, send)
        assert b'"reason":"epoch"' in sent[-2]["body"]
        await listening.journals.close()

    asyncio.run(run())
    assert "a mistake" in caplog.text


def test_an_own_thread_answers_in_order_and_drops_what_nobody_waits_for() -> None:
    done: list[int] = []
    go = threading.Event()

    async def run() -> None:
        thread = OwnThread("journal of a test")
        first = asyncio.create_task(thread.ask(go.wait))
        second = asyncio.create_task(thread.ask(lambda: done.append(2)))
        third = asyncio.create_task(thread.ask(lambda: done.append(3)))
        # A task begins when somebody waits.
        await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await thread.ask(lambda: done.append(4), patience_s=0.05)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        go.set()
        await asyncio.gather(first, third)
        with pytest.raises(ZeroDivisionError):
            await thread.ask(lambda: 1 // 0)
        await asyncio.wrap_future(thread.close(lambda: done.append(5)))

    asyncio.run(run())
    assert done == [3, 5]
    until(lambda: not threads())

"""The stream: every record once and in order, from any place on, whatever happens to the connection."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from running_portal import RUN, Running
from test_guards import problem

from chainfleet.ledger.outside import Outside
from chainfleet.ledger.store import Entry, Ledger
from chainfleet.model.errors import EnvironmentProblem, LedgerError
from chainfleet.portal import streaming
from chainfleet.portal.figures import Figures
from chainfleet.portal.journal import Journal, Journals
from chainfleet.portal.models.access import Role
from chainfleet.portal.principals import Principal
from chainfleet.portal.streaming import EventStream, Streams

Frame = dict[str, Any]


def frames_of(lines: Iterator[str]) -> Iterator[Frame]:
    """The frames of a stream, comments and `retry` left out."""
    frame: Frame = {}
    for line in lines:
        if line == "":
            if "data" in frame:
                yield {**frame, "data": json.loads(frame["data"])}
            frame = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            frame[name] = value


@contextmanager
def stream(client: httpx2.Client, **params: Any) -> Iterator[Iterator[Frame]]:
    """An open stream; the first frame has been seen to be `hello`."""
    headers = params.pop("headers", {})
    params.setdefault("environment", "dev")
    with client.stream("GET", "/events", params=params, headers=headers) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert response.headers["cache-control"] == "no-store"
        frames = frames_of(response.iter_lines())
        hello = next(frames)
        assert hello["event"] == "hello"
        yield frames


def records(frames: Iterator[Frame], until: int) -> list[dict[str, Any]]:
    """Records of batches up to a sequence number."""
    seen: list[dict[str, Any]] = []
    for frame in frames:
        assert frame["event"] == "batch"
        assert str(frame["data"][-1]["seq"]) == frame["id"]
        seen += frame["data"]
        if seen[-1]["seq"] >= until:
            return seen
    raise AssertionError("the stream ended early")


def write(ledger: Ledger, count: int) -> int:
    entries = [Entry(RUN, 100.0 + i, "note", "test", json.dumps({"i": i})) for i in range(count)]
    return ledger.append(entries).result()


def test_the_whole_ledger_can_be_had_as_a_stream(admin: httpx2.Client, home: Path) -> None:
    ledger = Outside(home / "dev" / "ledger.db")
    wanted = ledger.records()
    ledger.close()
    with stream(admin, since=0) as frames:
        seen = records(frames, wanted[-1].seq)
    assert [one["seq"] for one in seen] == [record.seq for record in wanted]
    for one, record in zip(seen, wanted, strict=True):
        assert (one["run"], one["kind"], one["subject"]) == (record.run, record.kind, record.subject)
        if one["event"].get("type") not in ("Plan", "RevisionMade"):
            assert one["event"] == json.loads(record.body)
    assert all("document" not in one["event"] for one in seen)


def test_resuming_at_every_place_loses_and_repeats_nothing(admin: httpx2.Client, ledger: Ledger) -> None:
    begin = ledger.head() if hasattr(ledger, "head") else write(ledger, 1)
    last = write(ledger, 40)
    for cut in range(begin, last):
        with stream(admin, headers={"Last-Event-ID": str(cut)}) as frames:
            assert [one["seq"] for one in records(frames, last)] == list(range(cut + 1, last + 1))


def test_connections_that_break_again_and_again_still_see_everything_once(
    admin: httpx2.Client, ledger: Ledger
) -> None:
    begin = write(ledger, 1)
    writer = threading.Thread(target=lambda: [(write(ledger, 3), time.sleep(0.002)) for _ in range(100)])
    writer.start()
    seen: list[int] = []
    place = str(begin)
    while len(seen) < 300:
        with stream(admin, since=place) as frames:
            for _ in range(2):
                frame = next(frames)
                seen += [one["seq"] for one in frame["data"]]
                place = frame["id"]
                if len(seen) >= 300:
                    break
    writer.join()
    assert seen == list(range(begin + 1, begin + 301))


def test_what_the_browser_has_seen_counts_more_than_where_it_began(
    admin: httpx2.Client, ledger: Ledger
) -> None:
    last = write(ledger, 10)
    with stream(admin, since=0, headers={"Last-Event-ID": str(last - 2)}) as frames:
        assert [one["seq"] for one in records(frames, last)] == [last - 1, last]


def test_without_a_place_only_what_is_new_is_told(admin: httpx2.Client, ledger: Ledger) -> None:
    last = write(ledger, 5)
    with stream(admin) as frames:
        new = write(ledger, 2)
        assert [one["seq"] for one in records(frames, new)] == [last + 1, last + 2]


def test_several_environments_share_one_stream(admin: httpx2.Client, ledger: Ledger) -> None:
    assert admin.post("/environments/dev/clone", json={"name": "staging"}).is_success
    with stream(admin, environment=["dev", "staging"]) as frames:
        last = write(ledger, 2)
        admin.post("/environments/staging/lock", json={"reason": "freeze"})
        seen: dict[str, list[int]] = {"dev": [], "staging": []}
        place = ""
        while len(seen["dev"]) < 2 or not seen["staging"]:
            frame = next(frames)
            place = frame["id"]
            for one in frame["data"]:
                seen[one["environment"]].append(one["seq"])
    assert seen == {"dev": [last - 1, last], "staging": [2]}
    assert dict(part.split(":") for part in place.split(",")) == {"dev": str(last), "staging": "2"}
    again = write(ledger, 1)
    with stream(admin, environment=["dev", "staging"], since=place) as frames:
        assert [one["seq"] for one in next(frames)["data"]] == [again]


@pytest.mark.parametrize(
    ("since", "status", "kind"),
    [
        ("99999", 410, "unknown-sequence"),
        ("-1", 400, "malformed-sequence"),
        ("abc", 400, "malformed-sequence"),
        ("prod:1", 400, "malformed-sequence"),
        ("1" * 30, 400, "malformed-sequence"),
        ("١", 400, "malformed-sequence"),
    ],
)
def test_places_that_never_were_are_problems(
    admin: httpx2.Client, since: str, status: int, kind: str
) -> None:
    problem(admin.get("/events", params={"environment": "dev", "since": since}), status, kind)
    if status == 410:
        problem(admin.get("/environments/dev/events", params={"since": since}), 410, "unknown-sequence")


def test_who_is_far_behind_is_told_to_read_anew(
    admin: httpx2.Client, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "BACKLOG", 50)
    last = write(ledger, 60)
    with stream(admin, since=1) as frames:
        snapshot = next(frames)
        assert (snapshot["event"], snapshot["id"]) == ("snapshot", str(last))
        assert snapshot["data"] == {"reason": "backlog", "heads": {"dev": last}}
        new = write(ledger, 1)
        assert [one["seq"] for one in records(frames, new)] == [new]


def test_streams_are_told_when_the_server_stops_and_it_stops_soon(start: Callable[..., Running]) -> None:
    portal = start()
    with stream(portal.client()) as first, stream(portal.client(Role.VIEWER)) as second:
        began = time.monotonic()
        portal.server.should_exit = True
        assert next(first)["event"] == next(second)["event"] == "server-stopping"
        assert list(first) == list(second) == []
    portal.stop()
    assert time.monotonic() - began < 60, "nobody waits for a stream that goes on for ever"


def test_a_stream_ends_with_its_token(start: Callable[..., Running]) -> None:
    portal = start()
    short = portal.client(lasting_s=1.2)
    with stream(short) as frames:
        assert [frame["event"] for frame in frames] == ["auth-expired"]
    portal.portal.streams.ping_s = 0.2
    gone = portal.client(name="gone")
    with stream(gone) as frames:
        portal.portal.store.revoke(gone.get("/session").json()["token_id"])
        assert [frame["event"] for frame in frames] == ["auth-expired"]


def test_a_replaced_ledger_ends_the_stream_with_a_snapshot(admin: httpx2.Client, home: Path) -> None:
    with stream(admin) as frames:
        (home / "dev" / "ledger.db").rename(home / "dev" / "old.db")
        assert next(frames)["data"]["reason"] == "epoch"


def test_streams_of_one_token_are_counted_and_given_back(
    portal: Running, admin: httpx2.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "STREAMS_EACH", 2)
    with stream(admin), stream(admin):
        refused = admin.get("/events", params={"environment": "dev"})
        problem(refused, 503, "too-many-streams")
        assert refused.headers["retry-after"]
        with stream(portal.client()):
            pass
    end = time.monotonic() + 60
    while portal.portal.figures.streams and time.monotonic() < end:
        time.sleep(0.02)
    assert portal.portal.figures.streams == 0
    with stream(admin):
        pass


# --- what no client can bring about at will -------------------------------------------------------


async def valid(_: Principal) -> bool:
    return True


class Listening:
    """The streams of a server that has none yet."""

    def __init__(self) -> None:
        self.journals, self.figures = Journals(), Figures()
        self.streams = Streams(self.journals, self.figures, valid)
        self.who = Principal("ada", Role.VIEWER, "token", "t", None, time.time() + 3600)

    async def open(self, *places: Path) -> EventStream:
        return await self.streams.open({path.parent.name: path for path in places}, "0", self.who)

    def counts(self) -> tuple[int, int]:
        """Streams that count as open, and ledgers that are held for them."""
        return self.figures.streams, len(self.journals._journals)


async def stays(*_: object) -> Any:
    """A client that never leaves."""
    await asyncio.Event().wait()


def test_a_stream_that_broke_before_its_first_frame_is_given_back(home: Path) -> None:
    async def broken(_: object) -> None:
        raise OSError("the line is gone")

    async def run() -> None:
        listening = Listening()
        response = await listening.open(home / "dev" / "ledger.db")
        assert listening.counts() == (1, 1)
        with pytest.raises(OSError, match="the line is gone"):
            await response({}, stays, broken)
        assert listening.counts() == (0, 0)
        await listening.journals.close()

    asyncio.run(run())


def test_where_one_ledger_can_t_be_read_the_others_are_given_back(home: Path) -> None:
    async def run() -> None:
        listening = Listening()
        (home / "torn").mkdir()
        (home / "torn" / "ledger.db").write_bytes(b"no database at all, but long enough to be one" * 20)
        with pytest.raises(LedgerError):
            await listening.streams.open(
                {name: home / name / "ledger.db" for name in ("dev", "torn")}, None, listening.who
            )
        assert listening.counts() == (0, 0)
        await listening.journals.close()

    asyncio.run(run())


def test_what_breaks_a_stream_off_is_not_taken_for_its_end(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def away(*_: object) -> None:
        raise EnvironmentProblem("the database is away")

    async def run() -> None:
        listening = Listening()
        response = await listening.open(home / "dev" / "ledger.db")
        monkeypatch.setattr(Journal, "after", away)
        with pytest.raises(EnvironmentProblem, match="away"):
            await response({}, stays, send)
        assert sent[-1]["more_body"]
        await listening.journals.close()

    asyncio.run(run())

"""One account's API budget is one budget, whichever run or machine spends it."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import Any

import httpx2
import pytest

from chainfleet.drivers.driver import Attempt, Outcome
from chainfleet.emulator.client import Running, start
from chainfleet.ledger.budgets import Ask, Budgets, Grant
from chainfleet.ledger.database import Place
from chainfleet.ledger.replay import replay
from chainfleet.model.event import TokensGranted, Verdict
from chainfleet.model.fleet import Fleet
from chainfleet.model.task import Demand, Estimate, Limit, LimitKind, Phase, Plan, Task
from chainfleet.runtime.operations import RunResult, open_environment, scaled, start_run
from chainfleet.runtime.registry import Drivers
from chainfleet.runtime.sharing import Sharing, budgets_place
from chainfleet.runtime.state import StateFolder
from chainfleet.scheduling.planning import make_plan
from chainfleet.scheduling.sharing import Want

LIMIT = Limit("azure/arm/read", LimitKind.TOKENS, 50.0, rate_per_s=200.0, adaptive=True)
SCALE = 8.0


@pytest.fixture(params=["file", "database"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where two environments meet: beside their folders, or in their database."""
    if request.param == "file":
        return budgets_place(tmp_path / "e" / "ledger.db")
    url = request.getfixturevalue("postgresql").url
    return budgets_place(StateFolder(tmp_path / "e", url).ledger)


@pytest.fixture
def two(place: Place, request: pytest.FixtureRequest) -> Iterator[tuple[Budgets, Budgets, str]]:
    name = f"{request.node.name} {time.monotonic_ns()}"
    with ExitStack() as stack:
        pair = [Budgets(place, f"{name} {who}") for who in "ab"]
        for budgets in pair:
            stack.callback(budgets.close)
        yield pair[0], pair[1], name


def test_together_they_never_draw_more_than_the_bucket_gives_and_share_it(
    two: tuple[Budgets, Budgets, str],
) -> None:
    *pair, name = two
    drawn, began = [0.0, 0.0], time.monotonic()

    def spend(who: int) -> None:
        while sum(drawn) < 350.0:
            grant = pair[who].draw({name: Ask(LIMIT, 40.0)})[name]
            drawn[who] += grant.tokens
            time.sleep(min(0.02, grant.again_s))

    threads = [threading.Thread(target=spend, args=(who,)) for who in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    most = 50.0 + 200.0 * (time.monotonic() - began)
    assert sum(drawn) <= most
    assert min(drawn) > 0.3 * sum(drawn)


def test_what_one_meets_holds_for_the_other(two: tuple[Budgets, Budgets, str]) -> None:
    one, other, name = two
    slow = replace(LIMIT, rate_per_s=1.0)
    assert one.draw({name: Ask(slow, 10.0)})[name].tokens == 10.0
    one.draw({name: Ask(slow, left=3.0)})
    assert other.draw({name: Ask(slow, 30.0)})[name].tokens < 20.0, "a header said that three are left"
    one.draw({name: Ask(slow, throttled=True, retry_after_s=60.0)})
    grant = other.draw({name: Ask(slow, 20.0)})[name]
    assert grant.tokens == 0.0
    assert 30.0 < grant.closed_s <= 60.0
    assert grant.pace < 0.8


def test_what_is_given_back_is_there_for_the_other(two: tuple[Budgets, Budgets, str]) -> None:
    one, other, name = two
    slow = replace(LIMIT, rate_per_s=0.01)
    assert one.draw({name: Ask(slow, 50.0)})[name].tokens == 50.0
    assert other.draw({name: Ask(slow, 30.0)})[name].tokens == 0.0
    one.draw({name: Ask(slow, -45.0)})
    assert other.draw({name: Ask(slow, 30.0)})[name].tokens == pytest.approx(30.0, abs=0.1)


class Slow(Budgets):
    """Answers late, as a database that is far away."""

    def __init__(self, place: Place, holder: str) -> None:
        super().__init__(place, holder)
        self.asked, self.goes_on = threading.Event(), threading.Event()

    def draw(self, asks: Mapping[str, Ask]) -> Mapping[str, Grant]:
        self.asked.set()
        self.goes_on.wait()
        return super().draw(asks)


def test_what_is_granted_while_a_run_ends_goes_back(place: Place, two: tuple[Budgets, Budgets, str]) -> None:
    other, name = two[1], two[2]
    slow, mine = replace(LIMIT, rate_per_s=0.01), Slow(place, "mine")

    async def run() -> None:
        sharing = Sharing(mine, {LIMIT.name: name}, [slow])
        asking = asyncio.create_task(sharing.ask([Want(LIMIT.name, 50.0, 0.0, 0, 0.0, inf)], 0.0))
        await asyncio.to_thread(mine.asked.wait)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        closing = asyncio.create_task(asyncio.to_thread(sharing.close, []))
        mine.goes_on.set()
        await closing

    asyncio.run(run())
    assert other.draw({name: Ask(slow, 50.0)})[name].tokens == pytest.approx(50.0, abs=0.1)


# --- two runs on the emulated cloud, which counts ------------------------------------------------


class CallingDriver:
    """Makes as many calls to the cloud as its task draws tokens."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        context = ssl.create_default_context(cafile=environ["SSL_CERT_FILE"])
        self._http = httpx2.Client(verify=context, timeout=30, trust_env=False)
        form = {"grant_type": "client_credentials", "client_id": environ["ARM_CLIENT_ID"]}
        form |= {"client_secret": environ["ARM_CLIENT_SECRET"]}
        form |= {"scope": "https://management.azure.com/.default"}
        authority = environ["ARM_ACTIVE_DIRECTORY_AUTHORITY_HOST"]
        answer = self._http.post(f"{authority}{environ['ARM_TENANT_ID']}/oauth2/v2.0/token", data=form)
        self._headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}

    async def observe(self, attempt: Attempt) -> Outcome | None:
        return None

    async def change(self, attempt: Attempt) -> Outcome:
        await asyncio.to_thread(self._call, int(attempt.task.demands[0].amount))
        return Outcome()

    def _call(self, times: int) -> None:
        base = self._environ["ARM_RESOURCE_MANAGER_ENDPOINT"].rstrip("/")
        url = f"{base}/subscriptions/{self._environ['ARM_SUBSCRIPTION_ID']}/resourceGroups/none"
        for _ in range(times):
            self._http.get(url, headers=self._headers, params={"api-version": "2024-05-01"})

    async def undo(self, attempt: Attempt) -> Outcome:
        return Outcome()

    def close(self) -> None:
        self._http.close()


def calling_plan(fleet: Fleet, tasks: int, calls: int) -> Plan:
    """That many tasks side by side which make so many calls each, at the documented rate of a faster cloud."""
    limit = Limit("azure/arm/read", LimitKind.TOKENS, 250.0, rate_per_s=25.0 * SCALE, adaptive=True)
    one = Task(
        "besu/t/0", Phase.BESU, demands=(Demand(limit.name, calls),), estimate=Estimate(0.1), timeout_s=60.0
    )
    many = tuple(replace(one, id=f"besu/t/{number}") for number in range(tasks))
    return replace(make_plan(fleet, "r1"), tasks=many, limits=(limit,))


def run_both(
    cloud: Running, folders: list[StateFolder], fleet: Fleet, tasks: int, calls: int
) -> list[RunResult]:
    """Two environments of one subscription at the same time."""
    results: list[RunResult] = []

    def run(folder: StateFolder) -> None:
        with open_environment(fleet, folder, cloud.environment) as environment:
            plan = calling_plan(fleet, tasks, calls)
            results.append(asyncio.run(start_run(environment, plan, "r-deploy", lambda _: [])))
            replay(environment.ledger.records("r-deploy"))

    threads = [threading.Thread(target=run, args=(folder,)) for folder in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.parametrize("where", ["file", "database"])
def test_two_runs_of_one_subscription_stay_below_its_rate_at_the_server(
    where: str,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    chain_138: Fleet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = request.getfixturevalue("postgresql").url if where == "database" else None
    with start(tmp_path / "cloud", SCALE, parts="arm") as cloud:
        driver = CallingDriver(cloud.environment)

        async def of(_: Drivers, __: Task) -> CallingDriver:
            return driver

        monkeypatch.setattr(Drivers, "of", of)
        fleet = scaled(chain_138, SCALE)
        stamp = time.monotonic_ns()
        folders = [StateFolder(tmp_path / f"{name}{stamp}", url) for name in ("one", "two")]
        results = run_both(cloud, folders, fleet, tasks=28, calls=15)
        answers = cloud.control("/stats")["requests"]["by_status"]
        driver.close()
        looking = Budgets(budgets_place(folders[0].ledger), "looking")
        endpoint = cloud.environment["ARM_RESOURCE_MANAGER_ENDPOINT"]
        drawn = next(found for name, found in looking.drawn().items() if endpoint in name)
        looking.close()
    assert len(drawn) == 2
    assert min(drawn.values()) > 28 * 15 - 0.01, "each drew from the one bucket what it spent"
    assert [result.finish.verdict for result in results] == [Verdict.SUCCEEDED] * 2
    assert answers["404"] + answers.get("429", 0) == 2 * 28 * 15
    # A busy machine makes calls later than they were paced, so that some may meet others; with a bucket for each
    # run half of them are refused.
    assert answers.get("429", 0) <= 0.05 * 2 * 28 * 15, answers


class Seen:
    """Keeps what was granted."""

    def __init__(self, seen: list[TokensGranted]) -> None:
        self._seen = seen

    def see(self, at: float, things: Any) -> None:
        self._seen += [thing for thing in things if isinstance(thing, TokensGranted)]


def test_a_run_that_is_alone_gets_what_it_asks_for_at_once(
    tmp_path: Path, chain_138: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[TokensGranted] = []

    class Quick:
        async def observe(self, attempt: Attempt) -> Outcome | None:
            return Outcome()

    async def of(_: Drivers, __: Task) -> Quick:
        return Quick()

    monkeypatch.setattr(Drivers, "of", of)
    fleet = scaled(chain_138, SCALE)
    with open_environment(fleet, StateFolder(tmp_path / "alone"), {}) as environment:
        plan = calling_plan(fleet, 10, 25)

        result = asyncio.run(start_run(environment, plan, "r-deploy", lambda _: [Seen(seen)]))
    assert result.finish.verdict is Verdict.SUCCEEDED
    assert seen[0].tokens == pytest.approx(250.0)

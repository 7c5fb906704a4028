"""The budgets of one run: asks for what its tasks are about to spend, and gives back what they don't.

Wherever two environments spend calls of one account, their runs draw from one bucket (`ledger.budgets`): environments
whose ledgers lie in one database, and those whose state folders lie side by side on one machine.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path

from chainfleet.ledger.budgets import Ask, Budgets, Grant
from chainfleet.ledger.database import Place, Postgres
from chainfleet.model.errors import ChainfleetError
from chainfleet.model.event import Event, RunStarted, TokensGranted
from chainfleet.model.fleet import Fleet
from chainfleet.model.task import Limit, LimitKind, Plan
from chainfleet.model.variables import Variable
from chainfleet.scheduling.sharing import Want

from .state import StateFolder

SOONEST_S = 0.005
"""Seconds between two questions at least."""
LATEST_S = 0.5
"""Seconds after which it is asked again in any case while something is wanted, or noticed by others."""
KEPT_S = 1.0
"""Seconds after which granted tokens that nobody draws go back."""

SCHEMA = "chainfleet"
FILE = "budgets.db"

ENDPOINTS: Mapping[str, Variable] = {
    "azure": Variable.ARM_RESOURCE_MANAGER_ENDPOINT,
    "aws": Variable.AWS_ENDPOINT_URL,
    "gcp": Variable.GOOGLE_CONTAINER_CUSTOM_ENDPOINT,
}
"""Variables that point a cloud's calls elsewhere: an account there is another one."""


@dataclass(frozen=True, slots=True)
class Shared(Postgres):
    """The schema of a database that all its environments share."""

    environment: str = ""

    @property
    def schema(self) -> str:
        """Name of the schema."""
        return SCHEMA


def budgets_place(ledger: Place) -> Place:
    """Where the budgets of an environment lie: in its database, or beside its state folder."""
    if isinstance(ledger, Path):
        return ledger.parent.parent / FILE
    return Shared(ledger.url)


def shared_limits(plan: Plan, fleet: Fleet, environ: Mapping[str, str], time_scale: float) -> dict[str, str]:
    """Name in the database of each of a plan's limits that belongs to an account of a cloud."""
    names = {}
    for limit in plan.limits:
        cloud = limit.name.split("/", 1)[0]
        if limit.kind is LimitKind.TOKENS and cloud in ENDPOINTS:
            elsewhere = environ.get(ENDPOINTS[cloud], "")
            faster = "" if time_scale == 1 else f" x{time_scale:g}"
            account = fleet.clouds.account_of(cloud)
            names[limit.name] = f"{environ.get(account[2:-1], account)}@{elsewhere}{faster} {limit.name}"
    return names


@dataclass(slots=True)
class _Account:
    """What is kept of one limit between two questions.

    Attributes:
        throttles, left: what the others have been told.
        pace: what they said last.
        again_at: when it is worth asking again.
    """

    throttles: int = 0
    left: float = inf
    pace: float = 1.0
    again_at: float = 0.0


class Sharing:
    """What one run has to do with the others; times are seconds on the caller's monotonic axis.

    Args:
        budgets: the shared budgets.
        names: their names in the database by the plan's.
        limits: of the plan.

    Attributes:
        asked: how often the database was asked; `spent_s` seconds that took.
    """

    def __init__(self, budgets: Budgets, names: Mapping[str, str], limits: Sequence[Limit]) -> None:
        self.names = names
        self.asked = 0
        self.spent_s = 0.0
        self._budgets = budgets
        self._limits = {limit.name: limit for limit in limits}
        self._accounts = {name: _Account() for name in names}
        self._idle_since: dict[str, float] = {}
        self._lock = threading.Lock()
        """A question may still be under way in its thread when the run has ended and closes this."""
        self._untold: dict[str, float] = {}
        """Tokens that were granted and that the run hasn't been told of."""

    async def ask(self, wants: Sequence[Want], now: float) -> list[TokensGranted]:
        """Ask for what is wanted and not held, as far as it is time to; tell what was noticed."""
        asks = {want.limit: ask for want in wants if (ask := self._ask(want, now)) is not None}
        grants = await asyncio.to_thread(self._draw, asks) if asks else {}
        self._untold.clear()
        events = [self._granted(limit, grant, now) for limit, grant in grants.items()]
        return [event for event in events if event is not None]

    def _ask(self, want: Want, now: float) -> Ask | None:
        account = self._accounts[want.limit]
        lacks = max(0.0, want.tokens - want.held)
        throttled = want.throttles > account.throttles
        left = want.left if want.left != account.left else None
        if not (throttled or left is not None or (lacks and now >= account.again_at)):
            return None
        account.throttles, account.left = want.throttles, want.left
        wait = want.closed_s if throttled and want.closed_s else None
        return Ask(self._limits[want.limit], lacks, throttled, wait, left)

    def _granted(self, limit: str, grant: Grant, now: float) -> TokensGranted | None:
        account = self._accounts[limit]
        account.again_at = now + grant.again_s
        moved, account.pace = account.pace != grant.pace, grant.pace
        if not (grant.tokens or grant.closed_s or moved):
            return None
        return TokensGranted(limit, grant.tokens, grant.closed_s, grant.pace, grant.left)

    def surplus(self, wants: Sequence[Want], now: float) -> list[TokensGranted]:
        """What was held for too long without being wanted: to be taken from the run, and given back then."""
        over = {want.limit: want.held - want.tokens for want in wants if want.held > want.tokens}
        self._idle_since = {limit: self._idle_since.get(limit, now) for limit in over}
        late = [limit for limit, since in self._idle_since.items() if now - since >= KEPT_S]
        return [TokensGranted(limit, -over[limit], pace=self._accounts[limit].pace) for limit in late]

    def give_back(self, events: Sequence[TokensGranted]) -> None:
        """Let the others have what was taken from the run."""
        self._draw({event.limit: Ask(self._limits[event.limit], event.tokens) for event in events})

    def _draw(self, asks: Mapping[str, Ask]) -> Mapping[str, Grant]:
        with self._lock:
            began = time.perf_counter()
            drawn = self._budgets.draw({self.names[limit]: ask for limit, ask in asks.items()})
            self.asked += 1
            self.spent_s += time.perf_counter() - began
            grants = {limit: drawn[self.names[limit]] for limit in asks}
            self._untold = {limit: grant.tokens for limit, grant in grants.items() if grant.tokens}
            return grants

    def next_s(self, wants: Sequence[Want], now: float) -> float:
        """Seconds until it is worth asking again, if nothing happens before."""
        dues = [self._accounts[want.limit].again_at - now for want in wants if want.tokens > want.held]
        return max(SOONEST_S, min([LATEST_S, *dues]))

    def close(self, wants: Sequence[Want]) -> None:
        """The run is over: what it holds goes back."""
        with self._lock:
            held = dict(self._untold)
        for want in wants:
            held[want.limit] = held.get(want.limit, 0.0) + want.held
        with suppress(ChainfleetError):
            try:
                self.give_back([TokensGranted(name, -tokens) for name, tokens in held.items() if tokens > 0])
            finally:
                self._budgets.close()


def open_sharing(
    state: StateFolder,
    fleet: Fleet,
    environ: Mapping[str, str],
    plan: Plan,
    run: str,
    tell: Callable[[str], None],
) -> Sharing | None:
    """The budgets that a run shares; None where it draws from no account.

    Where there is no place for them beside the state folder, that is told, and the run keeps to its own.

    Raises:
        EnvironmentProblem, LedgerError: the database can't be reached or used.
    """
    names = shared_limits(plan, fleet, environ, fleet.deployment.time_scale)
    if not names:
        return None
    place = state.ledger
    try:
        budgets = Budgets(budgets_place(place), f"{state.environment}/{run}")
    except ChainfleetError as error:
        if isinstance(place, Postgres):
            raise
        tell(f"API budgets are not shared with environments beside this one: {error.message}")
        return None
    return Sharing(budgets, names, plan.limits)


def started_with(sharing: Sharing | None, first: Sequence[Event]) -> Sequence[Event]:
    """The first events of a run, the very first of which says what it shares."""
    if sharing is None:
        return first
    started = first[0]
    assert isinstance(started, RunStarted)
    return [replace(started, shared=tuple(sharing.names)), *first[1:]]

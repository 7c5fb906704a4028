"""The same things done to Chainlink's own FluxAggregator (0.6, from npm) and to ours: consumers see the same.

The two places where ours departs on purpose are shown in tests of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ADMIN = "0x" + f"{0xA:040x}"
ORACLES = ["0x" + f"{number:040x}" for number in range(0x10, 0x15)]
LOW, HIGH, TIMEOUT = -(10**6), 10**6, 600
ZERO = "0x" + "00" * 20

# What FluxAggregator says, and the errors of ours that mean it.
SAME = {
    "not enabled oracle": {"AggregatorUnknownOracle"},
    "not yet enabled oracle": {"AggregatorOracleNotYetEnabled"},
    "no longer allowed oracle": {"AggregatorOracleNoLongerAllowed"},
    "cannot report on previous rounds": {"AggregatorAlreadyReported"},
    "invalid round to report": {"AggregatorInvalidRound"},
    "previous round not supersedable": {"AggregatorRoundNotSupersedable"},
    "round not accepting submissions": {"AggregatorRoundClosed", "AggregatorRestartDelayed"},
    "value below minSubmissionValue": {"AggregatorAnswerOutOfBounds"},
    "value above maxSubmissionValue": {"AggregatorAnswerOutOfBounds"},
    "max must equal/exceed min": {"AggregatorInvalidSettings"},
    "max cannot exceed total": {"AggregatorInvalidSettings"},
    "delay cannot exceed total": {"AggregatorInvalidRestartDelay", "AggregatorInvalidSettings"},
    "min must be greater than 0": {"AggregatorInvalidSettings"},
    "oracle already enabled": {"AggregatorOracleEnabled"},
    "oracle not enabled": {"AggregatorOracleNotEnabled"},
    "No data present": {"No data present"},
}


@dataclass
class Pair:
    """Both contracts in one machine, so that they see the same clock."""

    evm: Any
    flux: Any
    ours: Any
    reverted: type[Exception]

    def both(self, flux, ours, sender):
        """Do a thing to both; they have to agree on whether it goes, and why not."""
        theirs, mine = self._try(self.flux, flux, sender), self._try(self.ours, ours, sender)
        if theirs is None or mine is None:
            assert theirs is mine, f"{ours}: FluxAggregator says {theirs}, ours {mine}"
        else:
            assert mine in SAME[theirs], f"{ours}: FluxAggregator says {theirs}, ours {mine}"
        return theirs is None

    def submit(self, oracle, number, value):
        return self.both(("submit", number, value), ("submit", number, value), oracle)

    def change(self, removed, added, minimum, maximum, delay):
        admins = [ADMIN] * len(added)
        theirs = ("changeOracles", removed, added, admins, minimum, maximum, delay)
        ours = ("changeOracles", removed, added, (minimum, maximum, delay, TIMEOUT, 0, 0))
        return self.both(theirs, ours, ADMIN)

    def compare(self, rounds):
        """Everything a consumer can read."""
        latest = [("latestAnswer",), ("latestRound",), ("latestRoundData",)]
        if self.ours.call("latestRound"):
            latest.append(("latestTimestamp",))
        for call in latest:
            assert self._read(self.flux, call) == self._read(self.ours, call), call
        for number in range(rounds + 2):
            for function in ("getAnswer", "getTimestamp", "getRoundData"):
                if number == 0 and function == "getTimestamp":
                    continue  # FluxAggregator keeps a time-out there, which no consumer asks for
                call = (function, number)
                assert self._read(self.flux, call) == self._read(self.ours, call), call

    @property
    def round(self):
        return self.ours.call("openRound")[0]

    def _read(self, contract, call):
        try:
            return contract.call(*call)
        except self.reverted as error:
            return error.revert.arguments["reason"]

    def _try(self, contract, call, sender):
        try:
            contract.call(*call, sender=sender)
        except self.reverted as error:
            return error.revert.arguments.get("reason") or error.revert.name
        return None


@pytest.fixture
def new_pair(new_evm, fixtures, artefact, reverted):
    def make(oracles=3, minimum=2, maximum=3, delay=0):
        evm = new_evm()
        evm.machine.set_balance(ADMIN, 10**20)
        abi, code = fixtures["FluxAggregator"]
        arguments = (ZERO, 0, TIMEOUT, ZERO, LOW, HIGH, 8, "ETH / USD")
        flux = evm.deploy(abi, code, *arguments, sender=ADMIN)
        members = ORACLES[:oracles]
        flux.call("changeOracles", [], members, [ADMIN] * oracles, minimum, maximum, delay, sender=ADMIN)
        rules = (minimum, maximum, delay, TIMEOUT, 0, 0)
        ours = evm.deploy(
            *artefact("Aggregator"), "ETH / USD", 8, [LOW, HIGH], rules, members, ADMIN, 86400, sender=ADMIN
        )
        return Pair(evm, flux, ours, reverted)

    return make


submissions = st.tuples(
    st.just("submit"), st.integers(0, 4), st.integers(-2, 2), st.integers(LOW - 5, HIGH + 5)
)
oracle_changes = st.tuples(
    st.just("change"),
    st.integers(0, 4),
    st.booleans(),
    st.integers(0, 3),
    st.integers(0, 5),
    st.integers(0, 3),
)
waits = st.tuples(st.just("wait"), st.sampled_from([1, 60, TIMEOUT - 1, TIMEOUT, TIMEOUT + 1, 5000]))
# Mostly submissions to the current round and the next, so that rounds get somewhere.
reports = st.tuples(st.just("submit"), st.integers(0, 4), st.integers(0, 1), st.integers(LOW, HIGH))
steps = st.lists(st.one_of(reports, reports, reports, submissions, waits, oracle_changes), max_size=40)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps, minimum=st.integers(1, 3), delay=st.integers(0, 2))
def test_consumers_see_what_fluxaggregator_shows(new_pair, steps, minimum, delay):
    pair = new_pair(minimum=minimum, delay=delay)
    for step in steps:
        carry_out(pair, step)
        pair.compare(pair.round)


def carry_out(pair, step):
    match step:
        case ("submit", oracle, ahead, value):
            number, started, _, _, maximum, _, answered = pair.ours.call("openRound")
            if answered and maximum and ahead > 0 and pair.evm.now > started + TIMEOUT:
                # Answered after its time-out, and FluxAggregator would rewrite it now: see the test below.
                return
            pair.submit(ORACLES[oracle], max(0, number + ahead), value)
        case ("wait", seconds):
            number, _, _, _, maximum, _, answered = pair.ours.call("openRound")
            if number and answered and maximum and seconds > 60:
                # An answered round that still takes submissions would time out: see the test below.
                return
            pair.evm.warp(seconds)
        case ("change", oracle, leaves, minimum, maximum, delay):
            members = [ORACLES[oracle]]
            removed, added = (members, []) if leaves else ([], members)
            pair.change(removed, added, minimum, maximum, delay)


def test_a_timed_out_round_carries_the_answer_before_it(new_pair):
    pair = new_pair()
    for oracle in ORACLES[:3]:
        pair.submit(oracle, 1, 100)
    pair.submit(ORACLES[0], 2, 500)
    pair.evm.warp(TIMEOUT + 1)
    assert pair.submit(ORACLES[1], 3, 300)
    pair.compare(3)
    assert pair.ours.call("getRoundData", 2)[1] == 100
    assert pair.ours.call("getRoundData", 2)[4] == 1


def test_a_round_answered_after_its_time_out_stays_answered_in_ours(new_pair):
    pair = new_pair(minimum=2)
    assert pair.submit(ORACLES[0], 1, 7)
    pair.evm.warp(TIMEOUT + 1)
    assert pair.submit(ORACLES[1], 1, 7)
    pair.compare(1)
    assert pair.submit(ORACLES[0], 2, 9)
    assert pair._read(pair.flux, ("getRoundData", 1)) == "No data present"
    assert pair.ours.call("getRoundData", 1)[1] == 7


def test_fluxaggregator_rewrites_an_answered_round_that_times_out_and_ours_does_not(new_pair):
    pair = new_pair()
    for oracle in ORACLES[:3]:
        pair.submit(oracle, 1, 100)
    for oracle in ORACLES[:2]:
        pair.submit(oracle, 2, 500)
    before = pair.ours.call("getRoundData", 2)
    assert pair.flux.call("getRoundData", 2) == before
    pair.evm.warp(TIMEOUT + 1)
    pair.submit(ORACLES[0], 3, 600)
    # The third oracle was late: FluxAggregator now tells round 1's answer for round 2, which consumers had read.
    assert pair.flux.call("getRoundData", 2)[1] == 100
    assert pair.ours.call("getRoundData", 2) == before


def test_before_any_answer_fluxaggregator_tells_a_time_and_ours_does_not(new_pair):
    pair = new_pair()
    assert pair.flux.call("latestTimestamp") == pair.evm.now - TIMEOUT
    assert pair.ours.call("latestTimestamp") == 0


def test_a_wrong_answer_of_ours_would_be_noticed(new_pair):
    pair = new_pair()
    pair.ours.call("submit", 1, 100, sender=ORACLES[0])
    pair.ours.call("submit", 1, 100, sender=ORACLES[1])
    with pytest.raises(AssertionError):
        pair.compare(1)

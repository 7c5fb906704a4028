"""When blocks come, as arithmetic: checked against Besu's rules and against figures worked out by hand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chainfleet.emulator.besu.consensus import (
    MESSAGES_S,
    begins,
    current_round,
    next_block,
    proposer,
    quorum,
    recovery,
    votes_needed,
)

FOUR = ("a", "b", "c", "d")


def test_a_quorum_is_two_thirds_rounded_up() -> None:
    assert [quorum(n) for n in (1, 3, 4, 5, 7, 48)] == [1, 2, 3, 4, 5, 32]
    assert [votes_needed(n) for n in (4, 5, 48)] == [3, 3, 25]


def test_proposers_go_round_in_order_of_address() -> None:
    assert [proposer(FOUR, who, 0) for who in FOUR] == ["b", "c", "d", "a"]
    assert proposer(FOUR, "b", 2) == "a"
    assert proposer(FOUR, "bb", 0) == "c"
    assert proposer(FOUR, "z", 0) == "a"


def test_a_round_lasts_the_timeout_times_two_to_its_number() -> None:
    assert [begins(100, 10, r) for r in range(4)] == [100, 110, 130, 170]
    # After an hour alone a node is in round 8, which ends after 85 minutes.
    assert current_round(0, 10, 3600) == 8
    assert begins(0, 10, 9) == 5110


def test_a_dead_proposers_turn_costs_one_timeout_and_two_in_a_row_three() -> None:
    assert next_block(FOUR, FOUR, "a", start=5, timeout_s=10) == next_block(
        FOUR, {"b", "c", "d"}, "a", start=5, timeout_s=10
    )
    one = next_block(FOUR, {"a", "c", "d"}, "a", start=5, timeout_s=10)
    assert one is not None
    assert (one.due, one.proposer, one.round) == (15 + MESSAGES_S, "c", 1)
    two = next_block(FOUR, {"a", "d"}, "a", start=5, timeout_s=10)
    assert two is not None
    assert (two.due, two.round) == (35 + MESSAGES_S, 2)


def test_nodes_that_start_together_agree_in_round_zero() -> None:
    plan = recovery(FOUR, {"a": 100, "b": 100, "c": 100}, "z", timeout_s=10, connected_at=99)
    assert plan is not None
    assert (plan.due, plan.round) == (100 + MESSAGES_S, 0)


def test_a_late_one_makes_all_wait_for_a_common_round() -> None:
    # Two wait since 0; the third comes at 100 s and is connected at 102 s.
    plan = recovery(FOUR, {"a": 0, "b": 0, "c": 100}, "d", timeout_s=10, connected_at=102)
    assert plan is not None
    # a and b enter round 4 at 150 s and stay until 310 s; c enters it at 250 s. Its proposer is a.
    assert (plan.round, plan.due) == (4, 250 + MESSAGES_S)


def test_after_an_hour_of_waiting_the_next_common_round_is_far_away() -> None:
    plan = recovery(FOUR, {"a": 0, "b": 0, "c": 3600}, "d", timeout_s=10, connected_at=3602)
    assert plan is not None
    assert plan.due > 3600 + 5000


def test_too_few_never_agree() -> None:
    assert recovery(FOUR, {"a": 0, "b": 0}, "d", timeout_s=10, connected_at=0) is None


@given(
    starts=st.lists(st.floats(0, 5000), min_size=3, max_size=9),
    connected=st.floats(0, 6000),
    timeout=st.sampled_from([1.0, 4.0, 10.0]),
)
def test_an_agreement_is_never_before_the_quorum_is_connected(
    starts: list[float], connected: float, timeout: float
) -> None:
    validators = tuple(f"v{i}" for i in range(len(starts)))
    alive = dict(zip(validators, starts, strict=True))
    plan = recovery(validators, alive, "v0", timeout_s=timeout, connected_at=connected)
    assert plan is not None
    assert plan.due >= connected
    assert plan.proposer in alive

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainfleet.model.besu.quorum import (
    expected_block_seconds,
    placement_breaches,
    quorum_of,
    regions_that_may_fail,
    restart_groups,
    survives,
)
from chainfleet.model.errors import InputError

placements = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=6), st.integers(0, 16), min_size=1, max_size=60
).filter(lambda p: 4 <= sum(p.values()) <= 200)


def test_besus_quorum_tables_are_reproduced(vectors):
    for row in vectors["quorum"]:
        assert quorum_of(row["n"]).quorum == row["quorum"]
    for row in vectors["future_round_change_quorum"]:
        assert quorum_of(row["n"]).future_round_change == row["future_rc"]


def test_48_validators():
    rule = quorum_of(48)
    assert (rule.quorum, rule.byzantine, rule.crash, rule.votes) == (32, 15, 16, 25)


@given(st.integers(1, 10_000))
def test_two_quorums_always_share_an_honest_validator(n):
    rule = quorum_of(n)
    assert 2 * rule.quorum - n > rule.byzantine
    assert n - rule.byzantine >= rule.quorum, "the honest ones alone reach a quorum"
    assert rule.quorum + rule.crash == n
    assert 2 * rule.votes > n


def test_no_validators_are_refused():
    with pytest.raises(InputError):
        quorum_of(0)


def test_24_regions_of_two_bear_the_loss_of_eight():
    placement = {f"r{i}": 2 for i in range(24)}
    assert survives(placement, [f"r{i}" for i in range(8)])
    assert not survives(placement, [f"r{i}" for i in range(9)])
    assert regions_that_may_fail(placement) == 8


@given(placements)
def test_regions_that_may_fail_is_the_worst_case(placement):
    count = regions_that_may_fail(placement)
    largest = sorted(placement, key=placement.__getitem__, reverse=True)
    assert survives(placement, largest[:count])
    assert count == len(placement) or not survives(placement, largest[: count + 1])


@given(placements)
def test_a_placement_without_errors_bears_any_region_lying_or_silent(placement):
    breaches = placement_breaches(placement)
    rule = quorum_of(sum(placement.values()))
    errors = {b.domain for b in breaches if b.severity == "error"}
    for region, count in placement.items():
        assert (f"region {region}" in errors) == (count > rule.byzantine)
        if 3 * count >= rule.validators:
            assert f"region {region}" in errors, "a third is always too many"
        if f"region {region}" not in errors:
            assert survives(placement, [region])


def test_a_breach_names_the_number_that_breaks_it():
    (breach,) = [b for b in placement_breaches({"a": 16, "b": 16, "c": 16}) if b.domain == "region a"]
    assert (breach.count, breach.limit, breach.severity) == (16, 15, "error")
    wide = placement_breaches(
        {f"r{i}": 2 for i in range(24)}, {"continent": {f"r{i}": "Europe" for i in range(9)}}
    )
    assert [(b.domain, b.count, b.limit, b.severity) for b in wide] == [
        ("continent Europe", 18, 16, "warning")
    ]


@given(placements, st.integers(1, 20))
def test_restart_groups_take_everybody_once_and_never_endanger_the_chain(placement, at_once):
    names = [name for index in range(20) for name, count in placement.items() if index < count]
    region_of = {f"0x{i:040x}": name for i, name in enumerate(names)}
    order = sorted(region_of)
    groups = restart_groups(order, region_of, at_once)
    assert sorted(address for group in groups for address in group) == order
    slack = quorum_of(len(order)).crash
    for group in groups:
        assert len(group) <= max(1, slack // 2)
        assert len({region_of[a] for a in group}) == len(group)
        places = [order.index(a) for a in group]
        assert all((p + 1) % len(order) not in places for p in places) or len(group) == 1


def test_silent_proposers_cost_their_turns():
    assert expected_block_seconds(48, 2, 5, 10) == pytest.approx(5.4, abs=0.05)
    assert expected_block_seconds(48, 16, 5, 10) == pytest.approx(8.3, abs=0.05)

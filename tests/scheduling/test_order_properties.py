"""Order and dependencies against references that share no code, on random graphs."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import pytest
from hands import plan_of, task
from hypothesis import given, settings
from hypothesis import strategies as st

from chainfleet.model.errors import PlanError
from chainfleet.model.task import Plan
from chainfleet.scheduling.blueprint import Blueprint
from chainfleet.scheduling.bounds import lower_bound
from chainfleet.scheduling.rehearsal import rehearse


@st.composite
def graphs(draw: st.DrawFn, *, strict: bool = False) -> Plan:
    size = draw(st.integers(1, 25))
    tasks = []
    for i in range(size):
        before = st.lists(st.integers(0, i - 1), max_size=4, unique=True) if i else st.just([])
        needs = tuple(f"besu/do/{p}" for p in draw(before))
        after = () if strict else tuple(f"besu/do/{p}" for p in draw(before))
        tasks.append(task(f"besu/do/{i}", draw(st.integers(0, 1000)) / 8, needs=needs, after=after))
    return plan_of(*draw(st.permutations(tasks)))


@settings(max_examples=100, deadline=None)
@given(graphs())
def test_the_rank_is_the_longest_remaining_path(plan: Plan) -> None:
    nexts: dict[str, list[str]] = {t.id: [] for t in plan.tasks}
    seconds = {t.id: t.estimate.median_s for t in plan.tasks}
    for t in plan.tasks:
        for p in (*t.needs, *t.after):
            nexts[p].append(t.id)

    @cache
    def longest(name: str) -> float:
        return seconds[name] + max((longest(n) for n in nexts[name]), default=0.0)

    blueprint = Blueprint(plan)
    for i, t in enumerate(plan.tasks):
        assert blueprint.ranks[i] / 1e6 == pytest.approx(longest(t.id), abs=1e-6)
    order = list(blueprint.order.task)
    assert order == sorted(order, key=lambda i: (-blueprint.ranks[i], i)), "ties go by place in the plan"


@settings(max_examples=100, deadline=None)
@given(graphs())
def test_without_limits_the_makespan_is_the_critical_path(plan: Plan) -> None:
    bound = lower_bound(plan)
    assert bound.binding == "critical path"
    most_tasks_in_a_row = len(plan.tasks)
    assert bound.seconds <= rehearse(plan, sigma=0).makespan_s <= bound.seconds + most_tasks_in_a_row * 1e-6


@settings(max_examples=100, deadline=None)
@given(graphs(strict=True), st.data())
def test_an_edge_back_makes_a_cycle_that_is_named(plan: Plan, data: st.DataObject) -> None:
    last = data.draw(st.sampled_from(plan.tasks))
    first = data.draw(st.sampled_from(_with_all_before(plan, last.id)))
    closed = tuple(
        type(t)(**{f: getattr(t, f) for f in t.__slots__} | {"after": (*t.after, last.id)})
        if t.id == first
        else t
        for t in plan.tasks
    )
    with pytest.raises(PlanError, match="cycle") as refused:
        Blueprint(plan_of(*closed))
    named = refused.value.message.partition(": ")[2].split(" → ")
    assert named[0] == named[-1]
    befores = {t.id: {*t.needs, *t.after} for t in closed}
    assert all(a in befores[b] for a, b in pairwise(named)), "each step is an edge"


def _with_all_before(plan: Plan, name: str) -> list[str]:
    found, stack = {name}, [name]
    needs = {t.id: t.needs for t in plan.tasks}
    while stack:
        for p in needs[stack.pop()]:
            if p not in found:
                found.add(p)
                stack.append(p)
    return sorted(found)

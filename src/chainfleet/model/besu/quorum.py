"""Quorum arithmetic: how many validators must agree, and which losses a placement survives.

Sources: BftHelpers.calculateRequiredValidatorQuorum and calculateRequiredFutureRCQuorum,
VoteTally.validatorLimit (Besu 26.8); the placement rules are derived from them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from chainfleet.model.errors import InputError

MINIMUM_VALIDATORS = 4
"""Fewest validators that tolerate one Byzantine fault."""


@dataclass(frozen=True, slots=True)
class Quorum:
    """What N validators can and can't bear.

    Attributes:
        validators: N.
        quorum: validators that must agree on a block, ⌈2N/3⌉.
        byzantine: lying validators tolerated (f), ⌊(N-1)/3⌋.
        crash: silent validators with which blocks still come, N - quorum.
        votes: validators that must vote to admit or drop one, ⌊N/2⌋ + 1.
        future_round_change: messages that let a validator catch up with a later round, f + 1.
    """

    validators: int
    quorum: int
    byzantine: int
    crash: int
    votes: int
    future_round_change: int


def quorum_of(validators: int) -> Quorum:
    """Return the arithmetic of N validators; InputError if N < 1."""
    if validators < 1:
        raise InputError(
            f"a network of {validators} validators can't agree on anything",
            way_out="give at least 1; 4 bear a fault",
        )
    quorum = -(-2 * validators // 3)
    byzantine = (validators - 1) // 3
    return Quorum(validators, quorum, byzantine, validators - quorum, validators // 2 + 1, byzantine + 1)


def survives(placement: Mapping[str, int], lost: Collection[str]) -> bool:
    """Return whether blocks still come when these regions are silent.

    Args:
        placement: validators of each region.
        lost: names of regions; KeyError if one is unknown.
    """
    total = sum(placement.values())
    return total - sum(placement[name] for name in set(lost)) >= quorum_of(total).quorum


def regions_that_may_fail(placement: Mapping[str, int]) -> int:
    """Return the largest k such that *any* k regions may be silent and blocks still come."""
    spare = quorum_of(sum(placement.values())).crash
    for count, validators in enumerate(sorted(placement.values(), reverse=True)):
        spare -= validators
        if spare < 0:
            return count
    return len(placement)


@dataclass(frozen=True, slots=True)
class Breach:
    """A group of validators that fails together and holds too many of them.

    Attributes:
        domain: what fails together, e.g. `region northeurope` or `geography Europe`.
        count: validators in it.
        limit: most that it may hold.
        severity: `error` if losing it stops the chain or lets it lie, else `warning`.
    """

    domain: str
    count: int
    limit: int
    severity: str
    reason: str


def placement_breaches(
    placement: Mapping[str, int], domains: Mapping[str, Mapping[str, str]] | None = None
) -> tuple[Breach, ...]:
    """Return where a placement puts too many validators together, errors first.

    A region is one fault and may be a lying one, so it may hold at most f validators; above half of
    what may be silent at all, a second fault during a region's outage stops the chain (a warning).
    Wider domains (cloud, geography) fail by going silent, so N - quorum is their limit (a warning:
    it depends on whether the operator wants to outlive them).

    Args:
        placement: validators of each region.
        domains: kind of domain (`cloud`, `geography`) → region → name of its domain.
    """
    total = sum(placement.values())
    if not total:
        return ()
    rule = quorum_of(total)
    found = [breach for name, count in placement.items() if (breach := _region_breach(name, count, rule))]
    for kind, of_region in (domains or {}).items():
        found += _domain_breaches(kind, of_region, placement, rule)
    return tuple(sorted(found, key=lambda breach: (breach.severity, breach.domain)))


def _region_breach(name: str, count: int, rule: Quorum) -> Breach | None:
    if count > rule.byzantine:
        reason = f"one region must not hold more than f = {rule.byzantine} of {rule.validators} validators"
        return Breach(f"region {name}", count, rule.byzantine, "error", reason)
    half = max(1, rule.crash // 2)
    if count > half:
        reason = f"losing it leaves no room for a second fault: at most {half} keep half of the slack"
        return Breach(f"region {name}", count, half, "warning", reason)
    return None


def _domain_breaches(
    kind: str, of_region: Mapping[str, str], placement: Mapping[str, int], rule: Quorum
) -> list[Breach]:
    counts: dict[str, int] = {}
    for region, count in placement.items():
        if region in of_region:
            counts[of_region[region]] = counts.get(of_region[region], 0) + count
    reason = f"the chain stops when all of it is silent: quorum {rule.quorum} leaves {rule.crash} to lose"
    return [
        Breach(f"{kind} {name}", count, rule.crash, "warning", reason)
        for name, count in counts.items()
        if count > rule.crash
    ]


def restart_groups(
    proposers: Sequence[str], region_of: Mapping[str, str], at_once: int = 1
) -> tuple[tuple[str, ...], ...]:
    """Return the groups in which running validators may be restarted, one group after another.

    No group holds two validators of one region nor two neighbours in the proposer order (two dead
    neighbours cost one round timer and then a doubled one at the same height), and none holds more
    than half of the slack.

    Args:
        proposers: addresses in ascending order, which is the proposer order.
        region_of: region of each address.
        at_once: size wanted.
    """
    rule = quorum_of(len(proposers))
    size = max(1, min(at_once, rule.crash // 2))
    waiting, groups = list(range(len(proposers))), []
    while waiting:
        group: list[int] = []
        for index in waiting:
            if len(group) < size and _may_join(index, group, proposers, region_of):
                group.append(index)
        waiting = [index for index in waiting if index not in group]
        groups.append(tuple(proposers[index] for index in group))
    return tuple(groups)


def _may_join(
    index: int, group: Sequence[int], proposers: Sequence[str], region_of: Mapping[str, str]
) -> bool:
    count = len(proposers)
    return all(
        region_of[proposers[index]] != region_of[proposers[other]]
        and (index - other) % count not in (1, count - 1)
        for other in group
    )


def expected_block_seconds(validators: int, silent: int, period_s: float, timeout_s: float) -> float:
    """Return the mean seconds per block with that many scattered silent validators.

    A silent proposer's turn costs one round timer; derived from the round-robin of BftProposerSelector.
    """
    return period_s + timeout_s * silent / validators

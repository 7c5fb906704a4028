"""When QBFT makes the next block, and who proposes it: pure functions of time.

Rules from Besu 26.8 (facts: proposers go round in ascending order of address; round r lasts the request
timeout times 2^r; a quorum is ⌈2N/3⌉; a late node starts in round 0 and isn't told what was said before).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from chainfleet.model.besu.proposers import proposer

MESSAGES_S = 0.3
"""Proposal, prepare and commit between continents: about 1.5 round trips."""
MAX_ROUND = 40
"""A round that lasts 2^40 timeouts never ends; nobody waits longer."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The next block.

    Attributes:
        due: time at which it's there, in seconds.
        proposer: who proposes it.
        round: in which round.
    """

    due: float
    proposer: str
    round: int


def quorum(validators: int) -> int:
    """How many validators must agree."""
    return -(-2 * validators // 3)


def votes_needed(validators: int) -> int:
    """How many votes change the validator set."""
    return validators // 2 + 1


def begins(start: float, timeout_s: float, round_number: int) -> float:
    """When a node that began a height at `start` enters a round; both in seconds on one axis."""
    return float(start + timeout_s * (2.0**round_number - 1))


def next_block(
    validators: Sequence[str],
    alive: Collection[str],
    previous: str,
    *,
    start: float,
    timeout_s: float,
    not_before: float = float("-inf"),
) -> Plan | None:
    """The next block while a quorum is up; None if there's no live proposer in sight.

    Args:
        validators: in ascending order.
        alive: those that are up and connected; at least a quorum.
        previous: who proposed the block before.
        start: when round 0 of this height begins.
        timeout_s: duration of round 0.
        not_before: time of the last change: earlier rounds are over.
    """
    for number in range(MAX_ROUND):
        at = begins(start, timeout_s, number)
        who = proposer(validators, previous, number)
        # A round that began before the change has lost its proposal, unless its messages were under way.
        if who in alive and at >= not_before - MESSAGES_S:
            return Plan(at + MESSAGES_S, who, number)
    return None


def recovery(
    validators: Sequence[str],
    starts: Mapping[str, float],
    previous: str,
    *,
    timeout_s: float,
    connected_at: float,
) -> Plan | None:
    """The first block after a quorum has come together.

    Every node counts rounds from its own start. They agree in the first round that a quorum enters after
    all of it is connected (what was said before nobody repeats) and while none of the quorum has left it.

    Args:
        validators: in ascending order.
        starts: live validator → when it began this height.
        previous: who proposed the block before.
        timeout_s: duration of round 0.
        connected_at: when the quorum was complete.
    """
    needed = quorum(len(validators))
    for number in range(MAX_ROUND):
        entering = sorted(
            (begins(start, timeout_s, number), who)
            for who, start in starts.items()
            if begins(start, timeout_s, number) >= connected_at
        )
        who = proposer(validators, previous, number)
        if len(entering) < needed or who not in {address for _, address in entering}:
            continue
        met = entering[needed - 1][0]
        if begins(min(starts[a] for _, a in entering[:needed]), timeout_s, number + 1) > met:
            return Plan(met + MESSAGES_S, who, number)
    return None


def current_round(start: float, timeout_s: float, now: float) -> int:
    """In which round a stalled node is."""
    number = 0
    while number < MAX_ROUND and begins(start, timeout_s, number + 1) <= now:
        number += 1
    return number

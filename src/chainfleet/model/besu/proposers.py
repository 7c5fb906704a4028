"""Whose turn it is to propose: round-robin in ascending order of address.

Source: BftProposerSelector of Besu 26.8, which starts after whoever proposed the block before.
"""

from __future__ import annotations

from collections.abc import Sequence


def proposer(validators: Sequence[str], previous: str, round_number: int) -> str:
    """Return who proposes in a round.

    Args:
        validators: in ascending order, at least one.
        previous: who proposed the block before; need not be a validator any more.
        round_number: from 0.
    """
    if previous in validators:
        base = validators.index(previous) + 1
    else:
        base = next((i for i, address in enumerate(validators) if address > previous), 0)
    return validators[(base + round_number) % len(validators)]


def missed_turns(validators: Sequence[str], previous: str, round_number: int) -> tuple[str, ...]:
    """Return whose turns passed without a block before the round that brought one, first turn first."""
    return tuple(proposer(validators, previous, missed) for missed in range(round_number))

"""Votes on the validator set, counted block by block as Besu's VoteTally does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import consensus
from .headers import Block

Json = dict[str, Any]


class Votes:
    """The validator set and the votes on it.

    Args:
        validators: of block 0.
        epoch: blocks after which votes are forgotten.
    """

    def __init__(self, validators: Sequence[str], epoch: int) -> None:
        self.validators: tuple[str, ...] = tuple(validators)
        self._epoch = epoch
        self._tally: dict[tuple[str, bool], set[str]] = {}

    def count(self, block: Block) -> bool:
        """Count a block's vote; returns whether the validator set has changed."""
        if block.number % self._epoch == 0:
            self._tally.clear()
        vote = block.vote
        if vote is None:
            return False
        self._tally.get((vote.recipient, not vote.add), set()).discard(block.proposer)
        voters = self._tally.setdefault((vote.recipient, vote.add), set())
        voters.add(block.proposer)
        if len(voters) < consensus.votes_needed(len(self.validators)):
            return False
        members = set(self.validators)
        if vote.add:
            members.add(vote.recipient)
        else:
            members.discard(vote.recipient)
        self.validators = tuple(sorted(members))
        for key in [k for k in self._tally if k[0] == vote.recipient]:
            del self._tally[key]
        for voters in self._tally.values():
            voters &= members
        return True

    def dump(self) -> Json:
        """State as JSON values."""
        tally = [[who, add, sorted(voters)] for (who, add), voters in self._tally.items()]
        return {"validators": list(self.validators), "tally": tally}

    def load(self, state: Json) -> None:
        """Take up what `dump` gave."""
        self.validators = tuple(state["validators"])
        self._tally = {(who, add): set(voters) for who, add, voters in state["tally"]}

"""Whom to believe: pure functions from what validators say to what is so, and what is wrong with whom.

A validator may be down, misconfigured or lying. A head is believed only with the seals that prove it: a
quorum of its validators, of whom more than f were validators before. So no single node moves the head.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence, Set
from dataclasses import dataclass

from chainfleet.model.besu.header import Header
from chainfleet.model.besu.quorum import quorum_of


@dataclass(frozen=True, slots=True)
class Answer:
    """What one validator told.

    Attributes:
        genesis_hash: of its block 0.
        chain_id: of `eth_chainId`.
        peers: how many it is connected to.
        version: what it says it is.
        claimed: number of the newest block it claims.
        header: that block, read; None where it makes no sense.
    """

    genesis_hash: str
    chain_id: int
    peers: int
    version: str
    claimed: int
    header: Header | None


@dataclass(frozen=True, slots=True)
class Sample:
    """One validator at one moment.

    Attributes:
        region: name of its region.
        index: which of the region's validators.
        answer: what it told; None if nothing that can be read.
        unreadable: it answered, but not as a node does.
    """

    region: str
    index: int
    answer: Answer | None
    unreadable: bool = False

    @property
    def name(self) -> str:
        """`region-index`, as tasks name it."""
        return f"{self.region}-{self.index}"


@dataclass(frozen=True, slots=True)
class Expected:
    """What the fleet says should be there.

    Attributes:
        chain_id: of the network.
        genesis_hash: of its block 0; empty where it isn't known, then what most tell is taken.
        validators: addresses of the fleet's validators; may be empty where they aren't known.
        placement: region → how many validators it has.
    """

    chain_id: int
    genesis_hash: str
    validators: frozenset[str]
    placement: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ValidatorSet:
    """Whose agreement makes a block: votes decide that, not the fleet.

    Attributes:
        size: how many there are.
        addresses: of them; empty where nobody told.
        source: one of `SET_SOURCES`.
    """

    size: int
    addresses: frozenset[str]
    source: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is so.

    Attributes:
        problems: validator → what is wrong with it, for those with a problem.
        sound: validators that answer and belong to this chain.
        head: the newest block that is proven; None if there is none.
        genesis_hashes: different blocks 0.
        validator_sets: different sets in the newest blocks.
        spread: blocks between the highest and the lowest head of sound validators.
    """

    problems: Mapping[str, frozenset[str]]
    sound: tuple[Sample, ...]
    head: Header | None
    genesis_hashes: int
    validator_sets: int
    spread: int


def judge(samples: Sequence[Sample], expected: Expected, anchor: Collection[str] = ()) -> Verdict:
    """Return what is so, given what everybody says.

    Args:
        samples: one per declared validator.
        expected: what the fleet says.
        anchor: validators of the last block that was proven, if there is one.
    """
    answers = [sample.answer for sample in samples if sample.answer is not None]
    hashes = Counter(answer.genesis_hash for answer in answers)
    genesis = expected.genesis_hash or (hashes.most_common(1)[0][0] if hashes else "")
    prover = _Prover(frozenset(anchor) or expected.validators, genesis)
    problems = {sample.name: _problems(sample, expected, genesis, prover) for sample in samples}
    sound = tuple(s for s in samples if not problems[s.name] - {"wrong-validators"})
    headers = [s.answer.header for s in sound if s.answer is not None and s.answer.header is not None]
    heads = [header.number for header in headers]
    return Verdict(
        problems={name: found for name, found in problems.items() if found},
        sound=sound,
        head=max(headers, key=lambda header: header.number, default=None),
        genesis_hashes=len(hashes),
        validator_sets=len({header.extra.validators for header in headers}),
        spread=max(heads) - min(heads) if heads else 0,
    )


SET_SOURCES = ("chain", "remembered", "fleet")
"""Where a set is known from: the newest block that is proven now, the last one that ever was, or nobody ever told one."""


def set_of(verdict: Verdict, remembered: Header | None, expected: Expected) -> ValidatorSet:
    """Return the set of validators that quorum and margin go by.

    Args:
        verdict: what is so now.
        remembered: the newest block that was proven before, if there is one.
        expected: what the fleet says, for as long as no block ever did.
    """
    heads = [head for head in (verdict.head, remembered) if head is not None]
    if not heads:
        return ValidatorSet(max(1, sum(expected.placement.values())), frozenset(), "fleet")
    addresses = frozenset(max(heads, key=lambda head: head.number).extra.validators)
    return ValidatorSet(len(addresses), addresses, "remembered" if verdict.head is None else "chain")


def _problems(sample: Sample, expected: Expected, genesis: str, prover: _Prover) -> frozenset[str]:
    answer = sample.answer
    if answer is None:
        return frozenset({"bad-answer" if sample.unreadable else "unreachable"})
    found = set()
    if answer.chain_id != expected.chain_id:
        found.add("wrong-chain")
    if answer.genesis_hash != genesis:
        found.add("wrong-genesis")
    if not found and not prover.is_proven(answer.header, answer.claimed):
        found.add("implausible-head")
    header = answer.header
    if not found and header is not None and expected.validators - set(header.extra.validators):
        found.add("wrong-validators")
    return frozenset(found)


class _Prover:
    """Proves headers; equal ones once."""

    def __init__(self, anchor: frozenset[str], genesis: str) -> None:
        self._anchor = anchor
        self._genesis = genesis
        self._proven: dict[str, bool] = {}

    def is_proven(self, header: Header | None, claimed: int) -> bool:
        if header is None or header.number != claimed:
            return False
        if header.number == 0:
            return header.hash == self._genesis
        # Nodes keep different seals of one block: once proven, the block is.
        if not self._proven.get(header.hash):
            self._proven[header.hash] = self._prove(header)
        return self._proven[header.hash]

    def _prove(self, header: Header) -> bool:
        return is_sealed(header, header.signers(), self._anchor)


def is_sealed(header: Header, signers: Set[str], anchor: Set[str]) -> bool:
    """Return whether a quorum of the header's validators sealed it, more than f of the anchor among them.

    Args:
        header: the block; its own word on who validates is not enough.
        signers: who sealed it.
        anchor: who is known to have validated before; empty where nobody is known.
    """
    validators = frozenset(header.extra.validators)
    if not validators or len(signers & validators) < quorum_of(len(validators)).quorum:
        return False
    return not anchor or len(signers & anchor) > quorum_of(len(anchor)).byzantine

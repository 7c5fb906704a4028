"""Blocks as nodes show them: found by number, tag or hash, with the seals of a quorum."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from . import consensus
from .chain import QbftChain
from .headers import Block, header_json, sealed_extra
from .network import Node

if TYPE_CHECKING:
    from .world import BesuWorld

Json = dict[str, Any]

_TAGS = ("latest", "pending", "safe", "finalized")
SEALED_KEPT = 256
_LATE_COMMITS = 4
"""Commits that arrive together with the last one needed, at most."""


def block_number(node: Node, wanted: Any) -> int | None:
    """The height that a number, tag or hash means to a node; None if it hasn't got that block.

    Raises:
        ValueError: it's neither.
    """
    head = node.head
    if wanted is None or wanted in _TAGS:
        return head
    if wanted == "earliest":
        return 0
    if isinstance(wanted, dict):
        wanted = wanted.get("blockHash") or wanted.get("blockNumber")
    if not isinstance(wanted, str) or not wanted.startswith("0x"):
        raise ValueError(wanted)
    by_hash = len(wanted) == 66
    number = node.chain.numbers.get(bytes.fromhex(wanted[2:])) if by_hash else int(wanted, 16)
    return number if number is not None and number <= head else None


def extra_data(world: BesuWorld, chain: QbftChain, block: Block) -> bytes:
    """A block's extra data with seals; made when somebody asks, and kept for a while."""
    if block.number == 0:
        return chain.genesis.extra_data
    if block.number not in chain.sealed:
        while len(chain.sealed) >= SEALED_KEPT:
            del chain.sealed[next(iter(chain.sealed))]
        chain.sealed[block.number] = sealed_extra(chain.genesis, block, _signers(world, block), world.sign)
    return chain.sealed[block.number]


def _signers(world: BesuWorld, block: Block) -> list[str]:
    """Whose commits were in time: a quorum, the proposer among them, and a few more."""
    choice = random.Random(block.hash)  # noqa: S311 - the same answer for the same block
    needed = consensus.quorum(len(block.validators))
    known = [a for a in block.crew if a in world.keyring]
    others = [a for a in known if a != block.proposer]
    choice.shuffle(others)
    extra = choice.randint(0, max(0, min(_LATE_COMMITS, len(known) - needed)))
    return sorted([block.proposer, *others[: needed - 1 + extra]])


def show(world: BesuWorld, chain: QbftChain, block: Block, *, full: bool) -> Json:
    """A block as `eth_getBlockBy…` answers it.

    Args:
        world: holds the keys that seal.
        chain: the block's chain.
        block: which.
        full: with whole transactions instead of their hashes.
    """
    extra = extra_data(world, chain, block)
    found = header_json(chain.genesis, block, extra)
    transactions = chain.bodies.transactions.get(block.number, [])
    found["totalDifficulty"] = hex(block.number + 1)
    found["size"] = hex(540 + len(extra) + sum(len(t.get("input", "0x")) // 2 + 110 for t in transactions))
    found["uncles"] = []
    found["transactions"] = transactions if full else [t["hash"] for t in transactions]
    if chain.genesis.time_forks[0]:
        found["withdrawals"] = []
    return found

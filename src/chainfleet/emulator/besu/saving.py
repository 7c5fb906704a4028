"""A chain as JSON values: compact, because it is written often and most blocks are empty."""

from __future__ import annotations

from typing import Any

from chainfleet.model.besu.extra_data import Vote

from .chain import QbftChain
from .headers import Block, Content

Json = dict[str, Any]


def save(chain: QbftChain) -> Json:
    """The chain's blocks after genesis, bodies and votes."""
    crews: dict[tuple[str, ...], int] = {}
    contents: dict[Content, int] = {}
    rows = [
        [
            block.hash.hex(),
            block.timestamp,
            block.proposer,
            block.round,
            crews.setdefault(block.crew, len(crews)),
            crews.setdefault(block.validators, len(crews)),
            contents.setdefault(block.content, len(contents)),
            block.base_fee,
            [block.vote.recipient, block.vote.add] if block.vote else None,
        ]
        for block in chain.blocks[1:]
    ]
    return {
        "blocks": rows,
        "crews": [list(c) for c in crews],
        "contents": [_content(c) for c in contents],
        "bodies": chain.bodies.dump(),
        "votes": chain.votes.dump(),
    }


def restore(chain: QbftChain, state: Json) -> None:
    """Give a fresh chain the blocks that `save` took."""
    crews = [tuple(c) for c in state["crews"]]
    contents = [_read_content(c) for c in state["contents"]]
    for digest, timestamp, proposer, number, crew, validators, content, base_fee, vote in state["blocks"]:
        parent = chain.blocks[-1]
        block = Block(
            parent.number + 1,
            bytes.fromhex(digest),
            parent.hash,
            timestamp,
            proposer,
            number,
            crews[crew],
            crews[validators],
            contents[content],
            parent.gas_limit,
            base_fee,
            Vote(*vote) if vote else None,
        )
        chain.blocks.append(block)
        chain.numbers[block.hash] = block.number
    chain.bodies.load(state["bodies"])
    chain.votes.load(state["votes"])


def _content(content: Content) -> list[Any]:
    return [
        content.state_root.hex(),
        content.transactions_root.hex(),
        content.receipts_root.hex(),
        content.bloom.hex() if any(content.bloom) else "",
        content.gas_used,
    ]


def _read_content(row: list[Any]) -> Content:
    state, transactions, receipts, bloom, used = row
    return Content(
        bytes.fromhex(state),
        bytes.fromhex(transactions),
        bytes.fromhex(receipts),
        bytes.fromhex(bloom) if bloom else bytes(256),
        used,
    )

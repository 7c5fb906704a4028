"""Root of a Merkle Patricia trie, computed in one go from all its pairs.

A genesis needs the root of a fixed set of accounts once; nothing is ever looked up or proved, so a
tree built recursively from the sorted keys is all there is. Source: Yellow Paper, appendix D.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .hashing import keccak256
from .rlp import Item, encode

EMPTY_ROOT = bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")
"""keccak256(rlp(b"")): the root of a trie without entries."""

_INLINE_LIMIT = 32
_Pair = tuple[tuple[int, ...], bytes]


def secure_root(entries: Mapping[bytes, bytes]) -> bytes:
    """Return the 32-byte root of the trie whose paths are the hashes of the keys.

    Args:
        entries: key to encoded value; no value may be empty.
    """
    if not entries:
        return EMPTY_ROOT
    pairs = sorted((_nibbles(keccak256(key)), value) for key, value in entries.items())
    return keccak256(encode(_node(pairs, 0)))


def _nibbles(data: bytes) -> tuple[int, ...]:
    return tuple(nibble for byte in data for nibble in (byte >> 4, byte & 15))


def _node(pairs: Sequence[_Pair], depth: int) -> Item:
    if len(pairs) == 1:
        path, value = pairs[0]
        return [_compact(path[depth:], leaf=True), value]
    shared = _shared(pairs[0][0], pairs[-1][0], depth)
    if shared > depth:
        return [_compact(pairs[0][0][depth:shared], leaf=False), _reference(_node(pairs, shared))]
    branch: list[Item] = []
    for nibble in range(16):
        below = [pair for pair in pairs if pair[0][depth] == nibble]
        branch.append(_reference(_node(below, depth + 1)) if below else b"")
    # Hashed keys all have the same length, so no pair ever ends at a branch.
    return [*branch, b""]


def _shared(first: tuple[int, ...], last: tuple[int, ...], depth: int) -> int:
    while first[depth] == last[depth]:
        depth += 1
    return depth


def _reference(node: Item) -> Item:
    encoded = encode(node)
    return node if len(encoded) < _INLINE_LIMIT else keccak256(encoded)


def _compact(nibbles: Sequence[int], *, leaf: bool) -> bytes:
    flag = 2 if leaf else 0
    padded = [flag + 1, *nibbles] if len(nibbles) % 2 else [flag, 0, *nibbles]
    return bytes(padded[i] << 4 | padded[i + 1] for i in range(0, len(padded), 2))

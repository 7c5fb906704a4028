"""Recursive Length Prefix, strict: every value has exactly one encoding and no other is accepted.

The `rlp` package is not used here because it costs most of a second to import (it pulls in the whole
of eth-utils) and this module is imported by the commands a person types. The tests compare the two.
Source: Ethereum Yellow Paper, appendix B.
"""

from __future__ import annotations

from collections.abc import Sequence

from chainfleet.model.errors import InputError

Item = bytes | Sequence["Item"]
"""What can be encoded: bytes, or a list of items."""

_SHORT = 55
_STRING = 0x80
_LIST = 0xC0
_DEEPEST = 64
"""Lists within lists; nothing on a chain is nested deeper, and recursion has an end."""


class RlpError(InputError):
    """The bytes are not canonical RLP."""


def encode(item: Item) -> bytes:
    """Return the only canonical encoding of the item."""
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < _STRING:
            return item
        return _header(_STRING, len(item)) + item
    body = b"".join(encode(part) for part in item)
    return _header(_LIST, len(body)) + body


def encode_integer(value: int) -> bytes:
    """Return the bytes of a scalar: big-endian without leading zeros, nothing for 0."""
    if value < 0:
        raise RlpError(f"{value} can't be a scalar: it is negative")
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def decode_integer(data: bytes) -> int:
    """Return a scalar; RlpError if it has leading zeros."""
    if data[:1] == b"\x00":
        raise RlpError("a scalar begins with a zero byte")
    return int.from_bytes(data, "big")


def decode(data: bytes) -> Item:
    """Return the one item that the bytes hold; RlpError if they hold less, more or a longer form."""
    item, end = _decode_at(data, 0, len(data), 0)
    if end != len(data):
        raise RlpError(f"{len(data) - end} bytes are left over after the item")
    return item


def _header(offset: int, length: int) -> bytes:
    if length <= _SHORT:
        return bytes([offset + length])
    size = encode_integer(length)
    return bytes([offset + _SHORT + len(size)]) + size


def _decode_at(data: bytes, start: int, limit: int, depth: int) -> tuple[Item, int]:
    if start >= limit:
        raise RlpError("the bytes end in the middle of an item")
    first = data[start]
    if first < _STRING:
        return data[start : start + 1], start + 1
    offset = _LIST if first >= _LIST else _STRING
    begin, end = _span(data, start, limit, first - offset)
    if offset == _STRING:
        body = data[begin:end]
        if len(body) == 1 and body[0] < _STRING:
            raise RlpError(f"byte {body[0]:#04x} is encoded in two bytes where one is canonical")
        return body, end
    return _decode_list(data, begin, end, depth + 1), end


def _decode_list(data: bytes, begin: int, end: int, depth: int) -> list[Item]:
    if depth > _DEEPEST:
        raise RlpError(f"lists are nested more than {_DEEPEST} deep")
    items: list[Item] = []
    while begin < end:
        item, begin = _decode_at(data, begin, end, depth)
        items.append(item)
    return items


def _span(data: bytes, start: int, limit: int, code: int) -> tuple[int, int]:
    begin, length = start + 1, code
    if code > _SHORT:
        size = data[begin : min(begin + code - _SHORT, limit)]
        if len(size) != code - _SHORT:
            raise RlpError("the bytes end in the middle of a length")
        begin, length = begin + len(size), decode_integer(size)
        if length <= _SHORT:
            raise RlpError(f"the length {length} is written in the long form")
    if begin + length > limit:
        raise RlpError(f"an item of {length} bytes reaches {begin + length - limit} bytes past its end")
    return begin, begin + length

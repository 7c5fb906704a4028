"""Hexadecimal text as people and JSON-RPC write it, read strictly."""

from __future__ import annotations

import re

from chainfleet.model.errors import InputError

_ADDRESS = re.compile(r"(0x)?[0-9a-fA-F]{40}\Z")


def hex_text(data: bytes) -> str:
    """Return `0x` and lower-case hex digits."""
    return "0x" + data.hex()


def read_hex(value: object, place: str) -> bytes:
    """Return the bytes of hex text, with or without `0x`; InputError names the place."""
    if isinstance(value, str):
        digits = value[2:] if value[:2] in ("0x", "0X") else value
        # bytes.fromhex skips blanks: text with one is refused here.
        if re.fullmatch(r"(?:[0-9a-fA-F]{2})*", digits):
            return bytes.fromhex(digits)
    raise InputError(
        f"{place}: {value!r} is not hexadecimal bytes",
        way_out="give it as 0x and an even number of hex digits",
    )


def read_address(value: object, place: str) -> str:
    """Return an address as `0x` and 40 lower-case hex digits; InputError names the place."""
    if not isinstance(value, str) or not _ADDRESS.match(value):
        raise InputError(f"{place}: {value!r} is not an address", way_out="0x and 40 hex digits")
    return "0x" + value[-40:].lower()

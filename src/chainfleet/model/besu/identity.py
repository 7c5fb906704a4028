"""From a private key to a public key, an address and back to text: who a validator is.

A validator's address is the address of its node key. Key material stays in `PrivateKey`, whose text
form shows nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from chainfleet.model.errors import InputError

from .hashing import keccak256
from .text import hex_text, read_hex

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""Order n of secp256k1; a private key is in [1, n-1] (SEC 2, section 2.4.1)."""


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A node key: 32 secret bytes that neither `repr` nor a log line shows."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what is no scalar of the curve."""
        if len(self.secret) != 32 or not 0 < int.from_bytes(self.secret, "big") < CURVE_ORDER:
            raise InputError(
                "a private key is 32 bytes between 1 and the order of secp256k1 less 1",
                way_out="make one with `openssl rand -hex 32`",
            )

    def public_key(self) -> bytes:
        """Return the 64 bytes X‖Y of the public key, without the leading 0x04."""
        from coincurve import PublicKey

        return PublicKey.from_valid_secret(self.secret).format(compressed=False)[1:]

    def address(self) -> str:
        """Return the address of the key."""
        return address_of(self.public_key())

    def key_file_text(self) -> str:
        """Return what Besu's node key file holds: one line, 64 hex digits."""
        return self.secret.hex() + "\n"


def read_key_file(text: str, place: str = "key file") -> PrivateKey:
    """Return the key of a node key file: one line, 64 hex digits, `0x` and one newline optional.

    Source: KeyPairUtil.loadPrivateKey of Besu 26.8. The message of the InputError never shows the text.
    """
    match = re.fullmatch(r"(?:0x)?([0-9a-fA-F]{64})(?:\r?\n)?", text)
    if match is None:
        raise InputError(f"{place}: not a node key", way_out="exactly one line with 64 hex digits")
    try:
        return PrivateKey(bytes.fromhex(match[1]))
    except InputError as error:
        raise InputError(f"{place}: {error.message}", way_out="give it in hex, 0x in front or not") from None


def read_public_key(text: str, place: str = "public key") -> bytes:
    """Return the 64 bytes of a public key written as 128 hex digits (or 130 with the leading 04)."""
    data = read_hex(text.strip(), place)
    if len(data) == 65 and data[0] == 4:
        data = data[1:]
    if len(data) != 64:
        raise InputError(f"{place}: {len(data)} bytes are not a public key", way_out="64 bytes, X then Y")
    _check_on_curve(data, place)
    return data


def address_of(public_key: bytes) -> str:
    """Return the address: the last 20 bytes of the hash of the 64 bytes X‖Y."""
    return hex_text(keccak256(public_key)[-20:])


def neighbours(ordered: Sequence[str], region_of: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Return pairs of neighbours in the (circular) proposer order that live in one region.

    Args:
        ordered: addresses in ascending order.
        region_of: region of each address.
    """
    count = len(ordered)
    pairs = [(ordered[i], ordered[(i + 1) % count]) for i in range(count)] if count > 1 else []
    return tuple(pair for pair in pairs if region_of[pair[0]] == region_of[pair[1]])


def _check_on_curve(data: bytes, place: str) -> None:
    field_prime = 2**256 - 2**32 - 977
    x, y = int.from_bytes(data[:32], "big"), int.from_bytes(data[32:], "big")
    if x >= field_prime or y >= field_prime or (y * y - x * x * x - 7) % field_prime:
        raise InputError(
            f"{place}: no point of secp256k1", way_out="check the key: 64 bytes, 128 hex digits, of a node"
        )

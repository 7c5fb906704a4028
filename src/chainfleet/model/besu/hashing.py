"""Keccak-256, the hash of everything on an Ethereum chain.

The library is imported at the first use: `chainfleet --help` must not pay for it.
"""

from __future__ import annotations

from hashlib import sha256


def keccak256(data: bytes) -> bytes:
    """Return the 32-byte Keccak-256 (not SHA3-256: the padding differs) of the data."""
    from Crypto.Hash import keccak

    return keccak.new(digest_bits=256, data=data).digest()


EMPTY_REQUESTS_HASH = sha256(b"").digest()
"""`requestsHash` of a block without requests (EIP-7685): SHA-256 of nothing."""

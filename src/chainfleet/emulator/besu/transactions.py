"""What a signed transaction says about itself, as far as a node checks it before its pool does."""

from __future__ import annotations

from dataclasses import dataclass

from chainfleet.model.besu import rlp

from ..chain.anvil import RpcError

_LEGACY_FIELDS = 9
_TYPES = {1: (0, 2, 3), 2: (0, 3, 4), 3: (0, 3, 4), 4: (0, 3, 4)}
"""Transaction type → positions of chain id, fee cap and gas limit (EIP-2930, 1559, 4844, 7702)."""


@dataclass(frozen=True, slots=True)
class Outline:
    """Attributes: chain_id (None: not bound to a chain), fee (most paid per gas, wei), gas (limit)."""

    chain_id: int | None
    fee: int
    gas: int


def outline(raw: str) -> Outline:
    """Read a signed transaction.

    Raises:
        RpcError: -32602, it isn't one.
    """
    try:
        data = bytes.fromhex(raw.removeprefix("0x"))
        if data and data[0] in _TYPES:
            fields = rlp.decode(data[1:])
            chain, fee, gas = (_integer(fields, at) for at in _TYPES[data[0]])
            return Outline(chain, fee, gas)
        fields = rlp.decode(data)
        if isinstance(fields, bytes) or len(fields) != _LEGACY_FIELDS:
            raise ValueError("not a legacy transaction")
        v = _integer(fields, 6)
        return Outline((v - 35) // 2 if v >= 35 else None, _integer(fields, 1), _integer(fields, 2))
    except (rlp.RlpError, ValueError, IndexError):
        raise RpcError(-32602, "Invalid transaction params (missing or incorrect)") from None


def _integer(fields: rlp.Item, at: int) -> int:
    item = fields[at]
    if not isinstance(item, bytes):
        raise rlp.RlpError("a list where a number should be")
    return rlp.decode_integer(item)


def check(raw: str, *, chain_id: int, gas_limit: int, least_fee: int) -> None:
    """Refuse what Besu refuses before it looks at any state.

    Raises:
        RpcError: with Besu's code and words.
    """
    found = outline(raw)
    if found.chain_id is not None and found.chain_id != chain_id:
        raise RpcError(-32000, "Wrong chainId")
    if found.gas > gas_limit:
        raise RpcError(-32005, "Transaction gas limit exceeds block gas limit")
    if found.fee < least_fee:
        raise RpcError(-32009, "Gas price below configured minimum gas price")

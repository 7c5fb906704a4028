"""The EVM behind the emulated chains, and the emulated Mainnet."""

from __future__ import annotations

from .anvil import Anvil, find_anvil
from .mainnet import Mainnet

__all__ = ["Anvil", "Mainnet", "find_anvil"]

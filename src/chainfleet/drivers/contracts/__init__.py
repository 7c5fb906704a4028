"""The oracle's contracts: deployed to several chains, each exactly once, and carried between them."""

from __future__ import annotations

from .driver import ContractsDriver

__all__ = ["ContractsDriver"]

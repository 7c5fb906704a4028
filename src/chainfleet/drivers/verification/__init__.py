"""Looks at what was deployed, from outside, as an operator would."""

from .driver import VerificationDriver

__all__ = ["VerificationDriver"]

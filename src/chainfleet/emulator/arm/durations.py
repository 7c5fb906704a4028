"""How long things take in emulated seconds: lognormal per type, by region, drawn by seed and id.

Medians are those of published Terraform logs (see docs: cloud limits, section 3); no vendor publishes a
distribution, so the spreads are judgement.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from statistics import NormalDist

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Duration:
    """A lognormal duration: median in emulated seconds and the deviation of its logarithm."""

    median_s: float
    sigma: float = 0.2


class Dice:
    """Draws that depend on the seed and on what is drawn for, not on the order of the calls.

    Args:
        seed: equal seeds give equal clouds.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def share(self, *what: object) -> float:
        """A number between 0 and 1, both excluded."""
        digest = hashlib.blake2b(repr((self._seed, what)).encode(), digest_size=8).digest()
        return (int.from_bytes(digest, "big") + 0.5) / 2.0**64

    def seconds(self, duration: Duration, region: str, *what: object) -> float:
        """A duration in emulated seconds; regions differ by up to about 15 % either way."""
        factor = math.exp(0.08 * _NORMAL.inv_cdf(self.share("region", region)))
        return duration.median_s * factor * math.exp(duration.sigma * _NORMAL.inv_cdf(self.share(*what)))

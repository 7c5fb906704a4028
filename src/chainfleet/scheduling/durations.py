"""How long the attempts of a rehearsal take."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from math import exp, log
from statistics import NormalDist
from zlib import crc32

from .blueprint import Blueprint
from .luck import DOUBT, DURATION, MOMENT, draw, stretched

_NORMAL = NormalDist()
_LATEST = 0.9999
"""Of ten thousand attempts one lasts longer: then nothing that is known says when it ends."""


class Durations:
    """Samples how long attempts take: as often seen where that is known, else lognormal.

    Args:
        blueprint: of the plan.
        seed: of the world.
        slow: factors on the durations of regions.
        sigma: spread of all durations; None takes each estimate's own, 0 makes them exact.
        pace: factor on all of them.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        seed: int,
        slow: Mapping[str, float],
        sigma: float | None,
        pace: float = 1.0,
    ) -> None:
        self._keys: Sequence[int] = blueprint.keys() if sigma != 0 else ()
        self._seed = seed
        self._doubts = blueprint.doubts().items() if sigma is None else ()
        self._expected: Sequence[int] = ()
        self.expect(blueprint.durations, pace)
        graph = blueprint.graph
        self._sigma = blueprint.sigmas() if sigma is None else None
        self._shapes = blueprint.shapes() if sigma is None else {}
        self._one_sigma = sigma
        regions = {graph.regions.index(name): factor for name, factor in slow.items()}
        self._slow = (
            {t: regions[graph.region_of(t)] for t in range(graph.size) if graph.region_of(t) in regions}
            if regions
            else {}
        )

    def expect(self, durations: Sequence[int], pace: float) -> None:
        """Draw around other durations from now on (microseconds by task)."""
        if pace == 1.0 and not self._doubts:
            self._expected = durations
            return
        expected = [stretched(each, pace) for each in durations]
        for action, (doubt, tasks) in self._doubts:
            factor = exp(doubt * _NORMAL.inv_cdf(draw(self._seed, crc32(action.encode()), 0, DOUBT)))
            for task in tasks:
                expected[task] = stretched(expected[task], factor)
        self._expected = expected

    def sample(self, task: int, attempt: int) -> int:
        """Microseconds that an attempt takes when nothing fails; at least 1 for work."""
        value = self._expected[task]
        sigma = self._one_sigma if self._sigma is None else self._sigma[task]
        if sigma:
            luck = draw(self._seed, self._keys[task], attempt, DURATION)
            value = stretched(value, exp(self._offset(task, sigma, luck)))
        if self._slow:
            value = stretched(value, self._slow.get(task, 1.0))
        return max(1, value)

    def left(self, task: int, attempt: int, elapsed: int) -> int:
        """Microseconds that an attempt still takes of which it is known that it has not ended by now."""
        expected = max(1, self._expected[task])
        sigma = self._one_sigma if self._sigma is None else self._sigma[task]
        if not sigma:
            return max(1, expected - elapsed)
        gone = self._share(task, sigma, log(elapsed / expected)) if elapsed > 0 else 0.0
        luck = gone + (1 - gone) * draw(self._seed, self._keys[task], attempt, DURATION)
        if luck > _LATEST:  # Longer than anything expected: as long again as it has taken, more or less.
            again = 0.05 + 0.4 * draw(self._seed, self._keys[task], attempt, MOMENT)
            return max(1, stretched(elapsed, again))
        return max(1, stretched(expected, exp(self._offset(task, sigma, luck))) - elapsed)

    def _offset(self, task: int, sigma: float, luck: float) -> float:
        """Logarithm of the factor on the median that so large a share of the attempts stays below."""
        shape = self._shapes.get(task)
        if not shape:
            return sigma * _NORMAL.inv_cdf(luck)
        place = luck * len(shape) - 0.5
        below = int(place) if place > 0 else 0
        if place < 0 or below >= len(shape) - 1:  # Beyond what was seen: on with the lognormal's tail.
            edge = shape[0] if place < 0 else shape[-1]
            return edge + sigma * (_NORMAL.inv_cdf(luck) - _edge(len(shape), first=place < 0))
        return shape[below] + (place - below) * (shape[below + 1] - shape[below])

    def _share(self, task: int, sigma: float, offset: float) -> float:
        """Which share of the attempts stays below: the inverse of `_offset`."""
        shape = self._shapes.get(task)
        if not shape:
            return _NORMAL.cdf(offset / sigma)
        above = bisect_right(shape, offset)
        if above in (0, len(shape)):
            edge = shape[0] if above == 0 else shape[-1]
            return _NORMAL.cdf((offset - edge) / sigma + _edge(len(shape), first=above == 0))
        before, after = shape[above - 1], shape[above]
        return (above - 0.5 + (offset - before) / (after - before)) / len(shape)


def _edge(count: int, *, first: bool) -> float:
    """Where the first, or the last, of so many draws lies on the normal distribution."""
    return _NORMAL.inv_cdf(0.5 / count if first else 1 - 0.5 / count)

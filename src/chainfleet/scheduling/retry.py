"""Whether and when a failed attempt is tried again: full jitter, and budgets that a storm can't exceed."""

from __future__ import annotations

from chainfleet.model.task import RetryPolicy

from .units import micros

RESERVE = 10
"""Retries that even the smallest run may make."""

_MASK = (1 << 64) - 1
_MAX_DOUBLINGS = 40


def mix(*numbers: int) -> int:
    """Hash integers to 64 bits (splitmix64).

    A draw depends on its arguments only, not on how many draws came before it, so that a replay, a
    rehearsal and a resumed run see the same jitter for the same attempt.
    """
    state = 0
    for number in numbers:
        state = (state + number * 0x9E3779B97F4A7C15 + 0x632BE59BD9B4E019) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return state


def backoff(policy: RetryPolicy, seed: int, task: int, failures: int, retry_after_s: float | None) -> int:
    """Microseconds to wait after a task's n-th failure: uniform in [0, min(cap, base * 2**(n-1))].

    A wait the other side asked for comes first; the jitter is added to it, so that tasks told the same
    moment don't come back together.
    """
    widest = min(policy.cap_s, policy.base_s * 2 ** min(failures - 1, _MAX_DOUBLINGS))
    asked = 0 if retry_after_s is None else max(0, micros(retry_after_s))
    if asked:
        widest = min(widest, policy.base_s)
    return asked + mix(seed, task, failures) % (micros(widest) + 1)


class RetryBudget:
    """Retries left in the run and in each region.

    Args:
        policy: how many.
        tasks: tasks of the run that can be retried at all.
    """

    def __init__(self, policy: RetryPolicy, tasks: int) -> None:
        self._policy = policy
        self._tasks = tasks
        self._told: set[int] = set()
        self.refill()

    def refill(self) -> None:
        """Start anew: an operator asked for another chance."""
        self.run_left = int(self._policy.run_budget * self._tasks) + RESERVE
        self._region_used: dict[int, int] = {}
        self._told.clear()

    def spend(self, region: int) -> str:
        """Take one retry; which budget is used up, or "" if it was granted. Region 0 is the network."""
        if self.run_left <= 0:
            return "the run's retry budget is used up"
        used = self._region_used.get(region, 0)
        if region and used >= self._policy.region_budget:
            return f"the region's retry budget of {self._policy.region_budget} is used up"
        self.run_left -= 1
        self._region_used[region] = used + 1
        return ""

    def first_time(self, region: int) -> bool:
        """Whether nobody has been told yet that this budget is used up."""
        key = region if self.run_left > 0 else -1
        if key in self._told:
            return False
        self._told.add(key)
        return True

"""A bare list schedule: what a priority order comes to when every duration is exact and nothing fails.

A thousand of these fit into the time of one look at a clock face; the search for better orders is made of
them. Like the engine it hears of one end at a time, those of one moment by ascending id. It knows slots and memory, forwards and backwards, and leaves token buckets to the rehearsal, which
has the last word.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heapify, heappop, heappush, heapreplace

from chainfleet.model.task import LimitKind, Plan

from .graph import Graph

_GRAIN = 1000


@dataclass(frozen=True, slots=True)
class Listed:
    """A schedule: starts and ends by task, in microseconds, and when the last task ends."""

    starts: list[int]
    ends: list[int]
    makespan: int


class Listing:
    """Schedules one graph over and over.

    Args:
        plan, graph: what to schedule.
        durations: microseconds by task; what is over already has 0 and draws nothing.
        over: tasks that are over.
    """

    def __init__(self, plan: Plan, graph: Graph, durations: Sequence[int], over: Iterable[int] = ()) -> None:
        gone = set(over)
        self._durations = list(durations)
        for t in gone:
            self._durations[t] = 0
        self._capacity = [round(limit.capacity * _GRAIN) for limit in plan.limits]
        held = [limit.kind is not LimitKind.TOKENS for limit in plan.limits]
        demands = [[(i, round(a * _GRAIN)) for i, a in row if held[i]] for row in graph.classes]
        none = next((c for c, row in enumerate(demands) if not row), 0)
        self._demands = demands
        self._class = [none if t in gone else c for t, c in enumerate(graph.demand_class)]
        self._users: list[list[int]] = [[] for _ in self._capacity]
        for c, row in enumerate(demands):
            for i, _ in row:
                self._users[i].append(c)
        self._nexts = [[entry >> 1 for entry in graph.nexts(t)] for t in range(graph.size)]
        self._befores: list[list[int]] = [[*graph.needs(t), *graph.afters(t)] for t in range(graph.size)]
        self.size = graph.size

    def forwards(self, priority: Sequence[int]) -> Listed:
        """Schedule with small priorities first."""
        return self._schedule(priority, self._nexts, self._befores)

    def backwards(self, priority: Sequence[int]) -> Listed:
        """The same on the reversed graph; times count from the end."""
        return self._schedule(priority, self._befores, self._nexts)

    def _schedule(self, priority: Sequence[int], nexts: list[list[int]], befores: list[list[int]]) -> Listed:
        class_of, users = self._class, self._users
        missing = [len(row) for row in befores]
        room = list(self._capacity)
        ready: list[list[tuple[int, int]]] = [[] for _ in self._demands]
        for t, count in enumerate(missing):
            if not count:
                ready[class_of[t]].append((priority[t], t))
        for heap in ready:
            heapify(heap)
        starts, ends = [0] * self.size, [0] * self.size
        running: list[tuple[int, int]] = []
        fresh = {c for c, heap in enumerate(ready) if heap}
        now = 0
        while True:
            self._start_all(fresh, ready, room, now, starts, running)
            if not running:
                return Listed(starts, ends, now)
            now, task = heappop(running)
            ends[task] = now
            for i, amount in self._demands[class_of[task]]:
                room[i] += amount
                fresh.update(users[i])
            for successor in nexts[task]:
                missing[successor] -= 1
                if not missing[successor]:
                    c = class_of[successor]
                    heappush(ready[c], (priority[successor], successor))
                    fresh.add(c)

    def _start_all(
        self,
        fresh: set[int],
        ready: list[list[tuple[int, int]]],
        room: list[int],
        now: int,
        starts: list[int],
        running: list[tuple[int, int]],
    ) -> None:
        """Start the best task of the classes that may have room, until none has."""
        durations, demands = self._durations, self._demands
        heads = [(ready[c][0], c) for c in fresh if ready[c]]
        fresh.clear()
        heapify(heads)
        while heads:
            (_, task), best = heads[0]
            for i, amount in demands[best]:
                if room[i] < amount:
                    heappop(heads)
                    break
            else:
                heap = ready[best]
                heappop(heap)
                for i, amount in demands[best]:
                    room[i] -= amount
                starts[task] = now
                heappush(running, (now + durations[task], task))
                if heap:
                    heapreplace(heads, (heap[0], best))
                else:
                    heappop(heads)

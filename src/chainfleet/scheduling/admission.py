"""Who may start: ready tasks, queued by what they demand, against every limit they draw from.

Tasks that demand the same wait in one queue, and only its best task is ever looked at. A queue whose
best task finds no room parks at the limit that refused it, and costs nothing until that limit has room.
Nothing is held while waiting, so no two tasks can wait for each other. A light task may pass a heavy
one; after one full capacity has passed it, the heavy one's limits are reserved for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush

from .codes import READY
from .graph import Graph
from .limits import NOBODY, Gauge
from .ranking import Order
from .units import NEVER

HOPS = 8
"""How often a task may go from one full limit to another before all its limits are reserved for it."""


class Queue:
    """Ready tasks of one demand class: a heap of places in the order."""

    __slots__ = ("dead", "demands", "heap", "index", "last_parked", "parked")

    def __init__(self, index: int, demands: Sequence[tuple[Gauge, float]]) -> None:
        self.index = index
        self.demands = demands
        self.heap: list[int] = []
        self.dead = 0
        self.parked: Gauge | None = None
        self.last_parked = -1

    @property
    def length(self) -> int:
        """How many ready tasks are in it; those withdrawn are dropped from the heap later."""
        return len(self.heap) - self.dead


class Admission:
    """Queues, limits and the ageing rule.

    Args:
        graph: the plan in integers.
        gauges: its limits.
        order: which tasks go first.
        states: state codes, shared with the board; only READY tasks are ever started.

    Attributes:
        stopped: twins of which no more are started; `shelf` holds those that came up since.
        untimed: limits for which the next moment to look may have changed.
    """

    def __init__(self, graph: Graph, gauges: Sequence[Gauge], order: Order, states: bytearray) -> None:
        self.gauges = gauges
        self.order = order
        self._states = states
        self._class = graph.demand_class
        self._twin = graph.twin
        self.queues = [
            Queue(i, [(gauges[limit], gauges[limit].meter.units(amount)) for limit, amount in demands])
            for i, demands in enumerate(graph.classes)
        ]
        self._active: list[tuple[int, int, int]] = []
        self._touched: set[int] = set()
        self.untimed: set[int] = set()
        self._hops: dict[int, int] = {}
        self.stopped: set[int] = set()
        self.shelf: dict[int, list[int]] = {}

    # --- in and out --------------------------------------------------------------------------

    def offer(self, task: int) -> None:
        """A task is ready; it is started by a later `grant`."""
        place = self.order.place[task]
        queue = self.queues[self._class[task]]
        heap = queue.heap
        heappush(heap, place)
        if heap[0] != place:
            return
        if queue.parked is None:
            heappush(self._active, (place, queue.index, -1))
        else:
            amount = next(a for g, a in queue.demands if g is queue.parked)
            heappush(queue.parked.waiting.setdefault(amount, []), (place, queue.index))

    def withdraw(self, task: int) -> None:
        """A ready task no longer wants to start; the queue drops it when it comes up."""
        queue = self.queues[self._class[task]]
        queue.dead += 1
        self._forget(self.order.place[task], queue)

    def release(self, task: int) -> None:
        """An attempt has ended: what it held is free again."""
        for gauge, amount in self.queues[self._class[task]].demands:
            meter = gauge.meter
            meter.give(amount)
            if gauge.waiting:
                self._touched.add(gauge.index)
                if meter.gate_until > 0:
                    self.untimed.add(gauge.index)

    def touch(self, gauge: Gauge) -> None:
        """A limit has changed by itself: look again at who waits for it, and when it opens."""
        self._touched.add(gauge.index)
        self.untimed.add(gauge.index)

    def reset(self, order: Order) -> None:
        """Empty every queue and take a new order; what runs keeps what it holds."""
        self.order = order
        for queue in self.queues:
            queue.heap.clear()
            queue.dead = 0
            queue.parked = None
        for gauge in self.gauges:
            gauge.waiting.clear()
            gauge.champion, gauge.passed, gauge.reserved = NOBODY, 0.0, NOBODY
        self._active.clear()
        self._hops.clear()
        self.shelf.clear()

    def unshelve(self) -> list[int]:
        """Tasks of stopped twins come back into the queues; returns them."""
        tasks = self.shelved()
        self.shelf.clear()
        self.stopped.clear()
        for task in tasks:
            self.offer(task)
        return tasks

    def shelved(self) -> list[int]:
        """Ready tasks that are held back because their twins failed alike."""
        return sorted(
            {task for shelf in self.shelf.values() for task in shelf if self._states[task] == READY}
        )

    # --- granting ----------------------------------------------------------------------------

    def grant(self, now: int, start: Callable[[int], None]) -> None:
        """Start every task that may start now, best first; each has drawn from its limits by then."""
        touched, active = self._touched, self._active
        while touched or active:
            while touched:
                self._wake(self.gauges[touched.pop()], now)
            if not active:
                return
            place, index, source = heappop(active)
            queue = self.queues[index]
            if queue.parked is None and queue.heap and queue.heap[0] == place:
                self._advance(queue, now, start)
            if source >= 0 and queue.parked is not self.gauges[source]:
                self._wake(self.gauges[source], now)

    def _advance(self, queue: Queue, now: int, start: Callable[[int], None]) -> None:
        """Start the queue's best task if it may, else park the queue."""
        place = self._head(queue)
        if place == NOBODY:
            return
        demands = queue.demands
        for gauge, amount in demands:
            if gauge.reserved < place or not gauge.meter.admits(amount, now):
                self._park(queue, place, gauge, amount, now)
                return
        heappop(queue.heap)
        for gauge, amount in demands:
            gauge.meter.take(amount, now)
            if gauge.champion != NOBODY or gauge.reserved != NOBODY:
                self._count_passing(gauge, place, amount)
        if self._hops:
            self._hops.pop(place, None)
        if queue.heap:
            heappush(self._active, (queue.heap[0], queue.index, -1))
        start(self.order.task[place])

    def _count_passing(self, gauge: Gauge, place: int, amount: float) -> None:
        """Somebody has drawn while others wait for the same limit."""
        if gauge.drew_past(place, amount):
            self._reserve(gauge.champion)
        if gauge.forget(place):
            self._touched.add(gauge.index)

    def _head(self, queue: Queue) -> int:
        """Place of the queue's best task that may start at all; drops and shelves the others."""
        heap, states = queue.heap, self._states
        while heap:
            task = self.order.task[heap[0]]
            if states[task] == READY:
                if not self.stopped or self._twin[task] not in self.stopped:
                    return heap[0]
                self.shelf.setdefault(self._twin[task], []).append(task)
                self._forget(heap[0], queue)
            else:
                queue.dead -= 1
            heappop(heap)
        return NOBODY

    # --- waiting -----------------------------------------------------------------------------

    def _park(self, queue: Queue, place: int, gauge: Gauge, amount: float, now: int) -> None:
        queue.parked = gauge
        queue.last_parked = gauge.index
        self.untimed.add(gauge.index)
        heappush(gauge.waiting.setdefault(amount, []), (place, queue.index))
        if place < gauge.champion:
            gauge.champion, gauge.passed = place, 0.0
        if len(queue.demands) > 1:
            self._count_hop(queue, place, gauge, now)

    def _count_hop(self, queue: Queue, place: int, gauge: Gauge, now: int) -> None:
        """Going from one full limit to another, again and again, ages a task as well."""
        for other, _ in queue.demands:
            if other is not gauge and other.champion == place:
                other.champion, other.passed = NOBODY, 0.0
                self._hops[place] = self._hops.get(place, 0) + 1
        if self._hops.get(place, 0) < HOPS:
            return
        if gauge.meter.gate_until > now:  # Keep nothing idle while the other side has told us to wait.
            for other, _ in queue.demands:
                if other is not gauge and other.forget(place):
                    self._touched.add(other.index)
            return
        self._reserve(place)

    def _reserve(self, place: int) -> None:
        """Nobody behind that task may draw from its limits until it has started."""
        self._hops[place] = HOPS
        for gauge, _ in self.queues[self._class[self.order.task[place]]].demands:
            gauge.reserved = min(gauge.reserved, place)

    def _forget(self, place: int, queue: Queue) -> None:
        self._hops.pop(place, None)
        for gauge, _ in queue.demands:
            if gauge.forget(place):
                self._touched.add(gauge.index)

    def _wake(self, gauge: Gauge, now: int) -> None:
        """Bring back, for each amount that the limit has room for, the best queue parked at it."""
        for amount, heap in gauge.waiting.items():
            while heap and gauge.meter.admits(amount, now):
                place, index = heappop(heap)
                queue = self.queues[index]
                if queue.parked is gauge and queue.heap and queue.heap[0] == place:
                    queue.parked = None
                    heappush(self._active, (place, index, gauge.index))
                    break

    # --- time alone --------------------------------------------------------------------------

    def timers(self, now: int) -> Iterator[tuple[int, Gauge]]:
        """Moments at which time alone lets somebody in, where no earlier timer was handed out."""
        for index in sorted(self.untimed):
            gauge = self.gauges[index]
            at = self._opens_at(gauge, now)
            if at < NEVER and (gauge.timer_at is None or at < gauge.timer_at):
                gauge.timer_at = at
                yield at, gauge
        self.untimed.clear()

    def timer_fired(self, gauge: Gauge, at: int) -> None:
        """A timer from `timers` has come."""
        if gauge.timer_at == at:
            gauge.timer_at = None
        self.touch(gauge)

    def _opens_at(self, gauge: Gauge, now: int) -> int:
        """The next moment to look; what would be let in already waits for something else, e.g. a pause."""
        soonest = NEVER
        for units, heap in gauge.waiting.items():
            self._prune(gauge, heap)
            if heap and gauge.reserved >= heap[0][0]:
                at = gauge.meter.ready_at(units)
                soonest = at if now < at < soonest else soonest
        return soonest

    def _prune(self, gauge: Gauge, heap: list[tuple[int, int]]) -> None:
        while heap:
            place, index = heap[0]
            queue = self.queues[index]
            if queue.parked is gauge and queue.heap and queue.heap[0] == place:
                return
            heappop(heap)

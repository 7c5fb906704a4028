"""Where every task stands, and what a task's end means for those behind it."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from operator import add, sub

from .codes import CANCELLED, FAILED, READY, SKIPPED, STATES, SUCCEEDED, WAITING, WAIVED, is_met
from .graph import PHASES, Graph

Change = tuple[int, int, str]
"""A task, the state it went to, and why."""

_IMPOSSIBLE = -1
_NONE: list[int] = []


class Board:
    """States, counters of unmet predecessors, and counts per region and phase.

    Attributes:
        states: the code of each task's state.
        changes: transitions that nobody has taken yet, in order.
        counts: tasks per group and state, at `group * STATES + code`.
        over: how many tasks are over.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.states = bytearray(graph.size)
        self.changes: list[Change] = []
        self.counts = [0] * (len(graph.regions) * len(PHASES) * STATES)
        self._base = array("i", [group * STATES for group in graph.group])
        for base in self._base:
            self.counts[base + WAITING] += 1
        self.over = 0
        self._missing = array("i", bytes(4 * graph.size))
        self._got: dict[int, int] = {}
        self._possible: dict[int, int] = {}
        self._ready: list[int] = []

    def move(self, task: int, state: int, reason: str = "") -> None:
        """Put a task into a state, counted and noted; dependents are not looked at."""
        states, counts = self.states, self.counts
        old, base = states[task], self._base[task]
        counts[base + old] -= 1
        counts[base + state] += 1
        if state >= SUCCEEDED or old >= SUCCEEDED:
            self.over += (state >= SUCCEEDED) - (old >= SUCCEEDED)
        states[task] = state
        self.changes.append((task, state, reason))

    def end(self, task: int, state: int, reason: str = "") -> None:
        """A task is over: count it at its successors, skip those that can't be met any more."""
        self.move(task, state, reason)
        states, missing, quorum = self.states, self._missing, self.graph.quorum
        rows, ids = self.graph.next_rows, self.graph.next_ids
        stack = [task]
        while stack:
            done = stack.pop()
            met = is_met(states[done])
            for entry in ids[rows[done] : rows[done + 1]]:
                successor = entry >> 1
                if states[successor] != WAITING:
                    continue
                if entry & 1 or (met and successor not in quorum):
                    missing[successor] -= 1
                    if missing[successor] == 0:
                        self._become_ready(successor)
                elif successor not in quorum or not self._count_quorum(done, successor):
                    self.move(successor, SKIPPED, f"needs {self.graph.names[done]}")
                    stack.append(successor)

    def _count_quorum(self, done: int, task: int) -> bool:
        """Count a predecessor's end towards a quorum; False if the quorum can't be reached any more."""
        weight = self.graph.weight.get(done, 1)
        wanted = self.graph.quorum[task]
        if not is_met(self.states[done]):
            self._possible[task] -= weight
            return self._possible[task] >= wanted
        before = self._got[task]
        self._got[task] = before + weight
        if before < wanted <= before + weight:
            self._missing[task] -= 1
            if self._missing[task] == 0:
                self._become_ready(task)
        return True

    def _become_ready(self, task: int) -> None:
        self.move(task, READY)
        self._ready.append(task)

    def take_ready(self) -> list[int]:
        """Tasks that became ready since the last call."""
        if not self._ready:
            return _NONE
        ready, self._ready = self._ready, []
        return ready

    # --- from scratch ------------------------------------------------------------------------

    def settle(self) -> None:
        """Work out every waiting, ready and skipped task anew from the states before it.

        Used at the start of a run, at a resume, and when failed tasks are given another chance.
        """
        self._ready.clear()
        if not any(self.states):
            self._begin()
            return
        for task in self.graph.topo:
            state = self.states[task]
            if state not in (WAITING, READY, SKIPPED):
                continue
            missing = self._missing[task] = self._recount(task)
            if missing == _IMPOSSIBLE:
                if state != SKIPPED:
                    self.move(task, SKIPPED, f"needs {self._cause(task)}")
                continue
            if state != (READY if missing == 0 else WAITING):
                self.move(task, READY if missing == 0 else WAITING)
            if missing == 0:
                self._ready.append(task)

    def _begin(self) -> None:
        """The same where nothing has happened yet: count edges, look at no states."""
        rows, more = self.graph.need_rows, self.graph.after_rows
        edges = (
            map(sub, rows[1:], rows)
            if not more[-1]
            else map(sub, map(add, rows[1:], more[1:]), map(add, rows, more))
        )
        self._missing = array("i", edges)
        for task in self.graph.quorum:
            self._missing[task] = self._recount(task)
        for task, missing in enumerate(self._missing):
            if not missing:
                self._become_ready(task)

    def reconsider(self, task: int) -> bool:
        """A backing-off task is due: ready, or waiting again if somebody reopened what comes before it."""
        missing = self._missing[task] = self._recount(task)
        self.move(task, READY if missing == 0 else WAITING)
        return missing == 0

    def _recount(self, task: int) -> int:
        """Predecessors that are still missing, or _IMPOSSIBLE."""
        states = self.states
        missing = sum(states[p] < SUCCEEDED for p in self.graph.afters(task))
        if task not in self.graph.quorum:
            for p in self.graph.needs(task):
                if states[p] < SUCCEEDED:
                    missing += 1
                elif not is_met(states[p]):
                    return _IMPOSSIBLE
            return missing
        got = possible = 0
        for p in self.graph.needs(task):
            weight = self.graph.weight.get(p, 1)
            got += weight * is_met(states[p])
            possible += weight * (is_met(states[p]) or states[p] < SUCCEEDED)
        self._got[task], self._possible[task] = got, possible
        wanted = self.graph.quorum[task]
        return _IMPOSSIBLE if possible < wanted else missing + (got < wanted)

    def _cause(self, task: int) -> str:
        bad = (p for p in self.graph.needs(task) if self.states[p] in (FAILED, SKIPPED, CANCELLED))
        return self.graph.names[next(bad)]

    def group_count(self, group: int, state: int) -> int:
        """Tasks of one region and phase in a state."""
        return self.counts[group * STATES + state]

    def phase_count(self, phase: int, state: int) -> int:
        """Tasks of one phase, in all regions, in a state."""
        return sum(self.counts[phase * STATES + state :: len(PHASES) * STATES])

    def count(self, *states: int) -> int:
        """Tasks in any of these states."""
        return sum(sum(self.counts[state::STATES]) for state in states)

    def tasks_in(self, *states: int) -> Iterator[int]:
        """Tasks in any of these states, by id."""
        return (t for t, state in enumerate(self.states) if state in states)

    def all_met(self) -> bool:
        """Whether everything succeeded or was skipped by request."""
        return self.count(SUCCEEDED, WAIVED) == self.graph.size

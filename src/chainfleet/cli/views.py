"""What an operator sees while a run goes on: a live matrix on a terminal, plain lines elsewhere, nothing with --json."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from chainfleet.model.errors import ErrorClass
from chainfleet.model.event import (
    AttemptFailed,
    CancelRequested,
    Command,
    Event,
    Finish,
    Incident,
    OpenGate,
    StateChanged,
    TaskState,
)
from chainfleet.model.fleet import Fleet
from chainfleet.model.task import Phase
from chainfleet.runtime.coordinator import Coordinator
from chainfleet.scheduling.forecast.outlook import late_lines

from .output import let_go, tell
from .words import as_typed

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

PLAIN_EVERY_S = 2.0
LIVE_EVERY_S = 0.25
NARROW = 90
"""Columns below which phases are called by their short names: a region must be readable beside them."""
STOPPING = "stopping: tools that run are told to end, and get time to write down what they did"

SYMBOLS: Mapping[TaskState, str] = {
    TaskState.WAITING: "·",
    TaskState.READY: "○",
    TaskState.RUNNING: "▶",
    TaskState.BACKING_OFF: "↻",
    TaskState.AT_GATE: "⏸",
    TaskState.SUCCEEDED: "✔",
    TaskState.FAILED: "✖",
    TaskState.SKIPPED: "–",
    TaskState.CANCELLED: "■",
}


class Screen(Protocol):
    """Shows a run; also an observer of it."""

    def attach(self, coordinator: Coordinator, fleet: Fleet) -> None:
        """Tell it whom to look at."""
        ...

    def see(self, at: float, things: Sequence[Event | Command]) -> None:
        """Take note of what happened."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def choose_screen(*, plain: bool, as_json: bool) -> Screen:
    """The right screen for where the output goes; NO_COLOR and dumb terminals are respected."""
    if as_json:
        return SilentScreen()
    if plain or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return PlainScreen()
    return LiveScreen()


class SilentScreen:
    """Shows nothing."""

    def attach(self, coordinator: Coordinator, fleet: Fleet) -> None:
        """Nothing to look at."""

    def see(self, at: float, things: Sequence[Event | Command]) -> None:
        """Nothing to show."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        return None


class PlainScreen(SilentScreen):
    """A line every two seconds, and one for each thing that went wrong."""

    def __init__(self) -> None:
        self._coordinator: Coordinator | None = None
        self._late: set[str] = set()
        self._next = 0.0

    def attach(self, coordinator: Coordinator, fleet: Fleet) -> None:
        """Say what begins."""
        self._coordinator = coordinator
        plan = coordinator.plan
        counts = f"{len(fleet.regions)} regions, {fleet.validator_count} validators, {len(plan.tasks)} tasks"
        self._line(f"{coordinator.run}: {fleet.name}, mode {plan.mode.value}, {counts}")

    def see(self, at: float, things: Sequence[Event | Command]) -> None:
        """Print trouble at once, progress now and then."""
        assert self._coordinator is not None
        for line in _news(things, self._coordinator):
            self._line(f"{at:7.1f}s  {line}")
        ended = any(isinstance(thing, Finish) for thing in things)
        if at >= self._next or ended:
            self._next = at + PLAIN_EVERY_S
            for action, line in late_lines(self._coordinator.foresight.stragglers(at)).items():
                if action not in self._late:
                    self._late.add(action)
                    self._line(f"{at:7.1f}s  ! {line}")
            self._line(progress_line(self._coordinator, at))

    def _line(self, text: str) -> None:
        tell(text)


class LiveScreen(SilentScreen):
    """The region × phase matrix, redrawn four times a second at most."""

    def __init__(self, console: Console | None = None) -> None:
        from rich.console import Console
        from rich.live import Live

        self._coordinator: Coordinator | None = None
        self._regions: tuple[str, ...] = ()
        self._trouble: list[str] = []
        self._drawn = 0.0
        self._live = Live(console=console or Console(highlight=False), auto_refresh=False, transient=False)

    def attach(self, coordinator: Coordinator, fleet: Fleet) -> None:
        """Draw the first picture."""
        self._coordinator = coordinator
        self._regions = tuple(region.name for region in fleet.regions)

    def see(self, at: float, things: Sequence[Event | Command]) -> None:
        """Redraw if it is time."""
        assert self._coordinator is not None
        self._trouble += (f"{at:7.1f}s  {as_typed(line)}" for line in _news(things, self._coordinator))
        ended = any(isinstance(thing, Finish) for thing in things)
        if ended or time.monotonic() - self._drawn >= LIVE_EVERY_S:
            self._drawn = time.monotonic()
            self._draw(lambda: self._live.update(self._picture(at), refresh=True))

    def __enter__(self) -> Self:
        self._draw(self._live.start)
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._draw(self._live.stop)

    def _draw(self, draw: Callable[[], None]) -> None:
        try:
            draw()
        except OSError:
            let_go()

    def _picture(self, at: float) -> RenderableType:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        assert self._coordinator is not None
        table = Table(box=None, padding=(0, 1), show_edge=False)
        table.add_column("region", no_wrap=True)
        tasks = self._coordinator.plan.tasks
        phases = [phase for phase in Phase if any(t.phase is phase and t.region for t in tasks)]
        short = self._live.console.width < NARROW
        for phase in phases:
            head = SHORT[phase] if short else phase.value
            table.add_column(head, justify="center", no_wrap=True, min_width=len(head))
        states = self._coordinator.scheduler.region_states()
        for region in self._regions:
            row = states.get(region, {})
            table.add_row(region, *(_cell(row.get(phase)) for phase in phases))
        late = list(late_lines(self._coordinator.foresight.stragglers(at)).values())[:2]
        trouble = [_one_line(line, "yellow") for line in (*self._trouble[-4:], *late)]
        line = progress_line(self._coordinator, at)
        doing = [_one_line(f"         {text}", "dim") for text in self._coordinator.doing(2)]
        return Group(table, Text(line, style="bold"), *doing, *trouble)


_STYLES = {
    TaskState.SUCCEEDED: "green",
    TaskState.RUNNING: "cyan",
    TaskState.BACKING_OFF: "yellow",
    TaskState.FAILED: "bold red",
    TaskState.SKIPPED: "red",
    TaskState.CANCELLED: "magenta",
}


def _one_line(text: str, style: str) -> RenderableType:
    """Cut where the terminal ends: a picture that grows and shrinks can't be read."""
    from rich.text import Text

    return Text(text, style=style, no_wrap=True, overflow="ellipsis")


def _cell(state: TaskState | None) -> RenderableType:
    from rich.text import Text

    if state is None:
        return Text(" ")
    return Text(SYMBOLS[state], style=_STYLES.get(state, "dim"))


SHORT: Mapping[Phase, str] = {
    Phase.INFRASTRUCTURE: "infra",
    Phase.KUBERNETES: "k8s",
    Phase.BESU: "besu",
    Phase.CONTRACTS: "contracts",
    Phase.MONITORING: "monitoring",
    Phase.VERIFICATION: "verify",
}
"""What phases are called where there is little room."""


def _news(things: Sequence[Event | Command], coordinator: Coordinator) -> Iterator[str]:
    """A line for each thing that an operator must know at once."""
    for thing in things:
        if isinstance(thing, AttemptFailed) and thing.error_class is ErrorClass.CANCELLED:
            yield f"■ {thing.task} attempt {thing.attempt}: {first_line(thing.message)}"
        elif isinstance(thing, AttemptFailed):
            yield f"✖ {thing.task} attempt {thing.attempt} ({thing.error_class}): {first_line(thing.message)}"
        elif isinstance(thing, StateChanged) and thing.state is TaskState.FAILED:
            yield f"✖ {thing.task} FAILED: {first_line(thing.reason)}"
        elif isinstance(thing, Incident):
            yield f"! {thing.message}"
        elif isinstance(thing, CancelRequested):
            yield f"■ {STOPPING}"
        elif isinstance(thing, OpenGate) and coordinator.plan.policy.approval:
            # Nothing else happens until somebody decides, so nothing else would be said.
            yield f"⏸ {thing.task} waits for a person: `chainfleet approve FLEET` decides"


def progress_line(coordinator: Coordinator, at: float) -> str:
    """One line: elapsed time and the end as it looks now, what is done, what binds, retries, limits that are held back."""
    scheduler = coordinator.scheduler
    total: Counter[TaskState] = Counter()
    parts = []
    by_phase = scheduler.counts()
    for phase in Phase:
        counts = by_phase.get(phase, {})
        total.update(counts)
        if counts:
            parts.append(f"{SHORT[phase]} {counts.get(TaskState.SUCCEEDED, 0)}/{sum(counts.values())}")
    line = f"{at:7.1f}s  {' '.join(parts)}"
    extra = [f"running {total[TaskState.RUNNING]}"]
    if coordinator.view.retries:
        extra.append(f"retries {coordinator.view.retries}")
    throttled = [limit for limit in scheduler.limits() if limit.throttled]
    extra += [f"{limit.name} throttled {limit.throttled}×" for limit in throttled[:2]]
    ends = coordinator.foresight.look(at)
    if ends is not None:
        extra.append(f"ends at {ends.text()}")
        extra.append(f"binds: {scheduler.bottleneck(at).text}")
    return f"{line} | {', '.join(extra)}"


def first_line(text: str) -> str:
    """The first line of a message, cut to fit a terminal."""
    line = text.strip().split("\n", 1)[0]
    return line if len(line) <= 150 else line[:149] + "…"

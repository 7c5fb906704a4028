"""What is shown while a run goes on: lines where nobody watches, a picture that fits where somebody does."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from typing import Any

import pytest
from rich.console import Console

from chainfleet.cli.views import LiveScreen, PlainScreen
from chainfleet.model.errors import ErrorClass
from chainfleet.model.event import CancelRequested, StartAttempt
from chainfleet.model.fleet import Fleet
from chainfleet.runtime.operations import Environment, start_run
from chainfleet.scheduling.planning import make_plan

NARROW = 60


class CancelsWhatBegins:
    """Cancels the run as soon as an attempt of it runs."""

    def __init__(self, coordinator: Any) -> None:
        self.coordinator = coordinator
        self.done = False

    def see(self, at: float, things: Sequence[Any]) -> None:
        if not self.done and any(isinstance(thing, StartAttempt) for thing in things):
            self.done = True
            self.coordinator.send(CancelRequested())


def shown(environment: Environment, fleet: Fleet, screen: Any, *, cancel: bool = False) -> None:
    def observers(coordinator: Any) -> list[Any]:
        screen.attach(coordinator, fleet)
        return [screen, CancelsWhatBegins(coordinator)] if cancel else [screen]

    with screen:
        asyncio.run(start_run(environment, make_plan(fleet, "r1"), "r-deploy", observers))


def test_what_is_stopped_is_told_once_and_is_no_failure(
    environment: Environment, fast: Fleet, driver: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    driver.seconds = 60.0
    shown(environment, fast, PlainScreen(), cancel=True)
    lines = [line for line in capsys.readouterr().out.splitlines() if " attempt 1" in line]
    assert lines
    assert all(
        "■" in line and line.endswith((": stopped while it ran", ": stopped before it began"))
        for line in lines
    )


def test_the_live_view_keeps_to_the_terminal_s_width(
    environment: Environment, fast: Fleet, driver: Any
) -> None:
    task = "infrastructure/network/southafricanorth"
    driver.faults = {task: [ErrorClass.CONFIGURATION]}
    terminal = io.StringIO()
    console = Console(file=terminal, width=NARROW, height=60, force_terminal=True, color_system=None)
    shown(environment, fast, LiveScreen(console))
    last = terminal.getvalue().rpartition(" region ")[2].splitlines()
    assert all(len(line.rstrip()) <= NARROW for line in last)
    failed = [line for line in last if task in line]
    assert failed
    assert all(line.rstrip().endswith("…") for line in failed)
    assert not any(line.startswith(("configuration", "planned")) for line in last)

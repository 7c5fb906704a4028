"""The watch over living networks goes on, whatever one environment does."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chainfleet.model.errors import EnvironmentProblem
from chainfleet.portal import observatory
from chainfleet.portal.environments.desk import Desk
from chainfleet.portal.environments.registry import Registry
from chainfleet.portal.observatory import Observatory


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def away(calls: list[object]) -> Callable[..., Any]:
    def fail(desk: object, *_: object, **__: object) -> Any:
        calls.append(desk)
        raise EnvironmentProblem("the database is away")

    return fail


def test_a_ledger_that_is_away_does_not_end_the_watch(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    monkeypatch.setattr(Desk, "environment", away(calls))
    watching = Observatory(Registry(home, {}))
    watching.start()
    try:
        until(lambda: len(calls) > 1)
        assert watching.last("dev") == (None, "the database is away")
    finally:
        watching.stop()


def test_a_sample_that_can_t_be_kept_does_not_end_the_watch(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []

    async def look(*_: object, **__: object) -> dict[str, Any]:
        return {"wall": 1.0}

    monkeypatch.setattr(observatory, "UNWATCHED_S", 0.0)
    monkeypatch.setattr(Observatory, "_look", look)
    registry = Registry(home, {})
    monkeypatch.setattr(registry.desk("dev").ledger, "add_sample", away(calls))
    watching = Observatory(registry)
    watching.start()
    try:
        until(lambda: len(calls) > 1)
        assert watching.peek("dev") == {"wall": 1.0}
    finally:
        watching.stop()


def test_a_home_folder_that_is_away_does_not_end_the_watch(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[object] = []

    def gone(registry: object) -> Any:
        calls.append(registry)
        raise FileNotFoundError(home)

    monkeypatch.setattr(Registry, "desks", gone)
    watching = Observatory(Registry(home, {}))
    watching.start()
    try:
        until(lambda: len(calls) > 1)
    finally:
        watching.stop()

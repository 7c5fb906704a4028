"""Starting runs: the command line's own command, in a process that outlives the portal."""

from __future__ import annotations

import json
import shlex
import subprocess
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from chainfleet.model.environment import RunAsked
from chainfleet.model.errors import InputError
from chainfleet.runtime.commands import (
    deploy_words,
    destroy_words,
    launch,
    shown,
    steer_words,
    verify_words,
)
from chainfleet.runtime.environments import entry, write_fleet_file
from chainfleet.runtime.targets import PolicyOptions
from chainfleet.scheduling.planning import make_plan, select

from ..environments.changing import require_document, require_open
from ..environments.desk import Desk
from ..environments.fleets import load_text, require_sound
from ..models.runs import PolicyGiven, RunGiven
from ..problems import ProblemError
from .describing import command_log, said

_FIRST_LOOK_S = 1.0
"""How long an answer waits for a command that fails at once."""
_LOOK_EVERY_S = 0.05
_SETTLE_S = 5.0
_PROBLEMS = {
    2: (422, "invalid-input"),
    3: (503, "machine-lacks"),
    4: (409, "ledger-unusable"),
    5: (409, "busy"),
}
"""What the command's exit codes mean."""


def policy_of(given: PolicyGiven, *, approval: bool = False) -> PolicyOptions:
    """The policy as the commands take it."""
    return PolicyOptions(
        mode=given.mode.value if given.mode else None,
        waves=given.waves,
        only=list(given.only) or None,
        skip=list(given.skip) or None,
        start=given.start.value if given.start else None,
        ceiling=[f"{phase.value}={number}" for phase, number in given.ceilings.items()] or None,
        approval=approval,
    )


class Starter:
    """Starts commands and keeps an eye on how they begin."""

    def __init__(self) -> None:
        self._processes: dict[tuple[str, str], subprocess.Popen[bytes]] = {}

    def start(self, desk: Desk, given: RunGiven, *, by: str) -> str:
        """Start a run; returns its name.

        Raises:
            ProblemError, InputError: it can't be started; nothing was begun.
        """
        self._settle(desk)
        run = self._begin(desk, given, by)
        self._watch(desk, run)
        return run

    def go_on(self, desk: Desk, run: str, words: Sequence[str], *, retry: bool) -> str:
        """Go on with the last run, or try again what failed in it; returns the command.

        Raises:
            ProblemError: it can't be gone on with.
        """
        action = "retry" if retry else "resume"
        command = steer_words(action, desk.fleet_file, desk.target(), *words)
        self._settle(desk)
        self._go_on(desk, run, command)
        self._watch(desk, run)
        return shown(command)

    def _launch(self, desk: Desk, run: str, words: Sequence[str]) -> None:
        process = launch([*words, "--plain"], command_log(desk, run), {})
        self._processes[desk.name, run] = process
        # Somebody has to take note of its end: a dead process that nobody waited for looks alive.
        threading.Thread(target=process.wait, name=f"waits for {run}", daemon=True).start()

    def _begin(self, desk: Desk, given: RunGiven, by: str) -> str:
        made = require_document(desk)
        require_open(desk)
        _require_idle(desk)
        # What is wrong is told before anything is begun: the same checks as the command's.
        loaded = load_text(made.document)
        policy = policy_of(given, approval=given.approval)
        plan = make_plan(loaded.fleet, loaded.revision, overrides=policy.overrides(loaded.fleet))
        select(plan, policy.selection())
        target = desk.target()
        if not target.emulated:
            loaded.require_environment()
        run = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{given.kind}"
        if given.kind == "deploy":
            require_sound(loaded)
            words = deploy_words(desk.fleet_file, target, policy, run=run)
        else:
            if not desk.ledger.runs():
                raise ProblemError(
                    409, "nothing-deployed", "nothing was deployed yet", way_out="deploy first"
                )
            if given.kind == "destroy":
                _require_confirmation(loaded.fleet.name, given.confirm)
                words = destroy_words(desk.fleet_file, target, loaded.fleet.name, run=run)
            else:
                words = verify_words(desk.fleet_file, target, run=run)
        write_fleet_file(desk.state, made.document)
        asked = RunAsked(run, by, given.reason, shown(words), made.number)
        desk.ledger.append([entry(asked)])
        self._launch(desk, run, words)
        return run

    def _go_on(self, desk: Desk, run: str, command: Sequence[str]) -> None:
        made = require_document(desk)
        require_open(desk)
        _require_idle(desk)
        if desk.runs()[-1] != run:
            raise ProblemError(
                409, "not-the-last", "only the last run can be gone on with", way_out="deploy again"
            )
        if desk.revision_of(run) != made.number:
            raise ProblemError(
                409,
                "fleet-changed",
                "the environment has changed since that run was planned",
                way_out="deploy: what exists is adopted, only the difference is done",
            )
        write_fleet_file(desk.state, made.document)
        self._launch(desk, run, command)

    def _settle(self, desk: Desk) -> None:
        """Wait a moment for a process whose run is over, and that is about to end."""
        runs = desk.ledger.runs()
        if not runs or desk.ending(runs[-1])[0] == "unfinished":
            return
        for _ in range(int(_SETTLE_S / _LOOK_EVERY_S)):
            if desk.ledger.holder() is None:
                return
            time.sleep(_LOOK_EVERY_S)

    def _watch(self, desk: Desk, run: str) -> None:
        """Look a moment whether the command takes the environment up or fails at once."""
        process = self._processes[desk.name, run]
        for _ in range(int(_FIRST_LOOK_S / _LOOK_EVERY_S)):
            if (code := process.poll()) is not None:
                break
            if desk.ledger.holder() is not None:
                return
            time.sleep(_LOOK_EVERY_S)
        else:
            return
        if code in _PROBLEMS and desk.ledger.last(run) is None:
            status, kind = _PROBLEMS[code]
            raise ProblemError(status, kind, said(desk, run) or f"the command ended with code {code}")


def curl_of(url: str, body: object) -> str:
    """The request that does the same, for a shell."""
    parts = [
        "curl -X POST",
        '-H "Authorization: Bearer $TOKEN"',
        "-H 'Content-Type: application/json'",
        '-H "Idempotency-Key: $(uuidgen)"',
        f"-d {shlex.quote(json.dumps(body))}",
        shlex.quote(url),
    ]
    return " ".join(parts)


def _require_idle(desk: Desk) -> None:
    holder = desk.ledger.holder()
    if holder is not None:
        raise ProblemError(
            409,
            "busy",
            f"{holder} runs this environment",
            way_out="wait until it ends, or cancel it",
            retryable=True,
        )


def _require_confirmation(name: str, confirm: str | None) -> None:
    if confirm != name:
        raise ProblemError(
            422,
            "not-confirmed",
            "`confirm` is not the fleet's name; nothing was done",
            way_out=f"type {name}",
            errors=[{"pointer": "/confirm", "detail": "not the fleet's name", "line": None, "column": None}],
        )


def require_words(words: Sequence[str]) -> None:
    """Raise InputError for a word that would be taken for an option."""
    for word in words:
        if word.startswith("-"):
            raise InputError(f"`{word}` is no phase, region or task", way_out="name them as they are shown")

"""The command that does the same as an action of the portal, and starting it as a process of its own.

A run that the portal starts *is* the command, in a session of its own: whatever happens to the portal, the run goes on,
and anybody can repeat it by hand.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from .targets import PolicyOptions, TargetOptions

PROGRAM = "chainfleet"


def deploy_words(
    fleet: Path, target: TargetOptions, policy: PolicyOptions, *, run: str | None = None
) -> list[str]:
    """The words of `chainfleet deploy` with these options."""
    words = ["deploy", *_place(fleet, target)]
    words += ["--emulated"] if target.emulated else []
    words += ["--time-scale", f"{target.time_scale:g}"] if target.time_scale else []
    words += ["--faults", target.faults] if target.faults else []
    words += ["--allow-mainnet"] if target.allow_mainnet else []
    words += ["--allow-destroy"] if target.allow_destroy else []
    words += policy_words(policy)
    return [*words, *(["--run", run] if run else []), "--yes"]


def plan_words(fleet: Path, policy: PolicyOptions) -> list[str]:
    """The words of `chainfleet plan`."""
    return ["plan", str(fleet), *policy_words(policy)]


def rehearse_words(
    fleet: Path, target: TargetOptions, policy: PolicyOptions, runs: int, seed: int, faults: str
) -> list[str]:
    """The words of `chainfleet rehearse`."""
    words = [
        "rehearse",
        *_place(fleet, target),
        *policy_words(policy),
        "--runs",
        str(runs),
        "--seed",
        str(seed),
    ]
    return [*words, *(["--faults", faults] if faults != "none" else [])]


def verify_words(fleet: Path, target: TargetOptions, *, run: str | None = None) -> list[str]:
    """The words of `chainfleet verify`."""
    return ["verify", *_place(fleet, target), *(["--run", run] if run else [])]


def destroy_words(fleet: Path, target: TargetOptions, confirm: str, *, run: str | None = None) -> list[str]:
    """The words of `chainfleet destroy`."""
    return ["destroy", *_place(fleet, target), "--confirm", confirm, *(["--run", run] if run else [])]


def steer_words(action: str, fleet: Path, target: TargetOptions, *more: str) -> list[str]:
    """The words of the commands that go on with, or steer, the last run: pause, resume, cancel, retry, approve."""
    return [action, *_place(fleet, target)[:1], *more, *_place(fleet, target)[1:]]


def policy_words(policy: PolicyOptions) -> list[str]:
    """The options that say how to roll out."""
    words = ["--mode", policy.mode] if policy.mode else []
    words += ["--waves", policy.waves] if policy.waves else []
    for option, values in (("--only", policy.only), ("--skip", policy.skip), ("--ceiling", policy.ceiling)):
        for value in values or ():
            words += [option, value]
    words += ["--from", policy.start] if policy.start else []
    return [*words, *(["--approval"] if policy.approval else [])]


def shown(words: Sequence[str]) -> str:
    """The command as a person types it."""
    return shlex.join([PROGRAM, *words])


def launch(words: Sequence[str], log: Path, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a command on its own: it outlives this process; what it prints goes to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stream:
        return subprocess.Popen(
            [sys.executable, "-m", "chainfleet.cli.main", *words],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
            env={**os.environ, **environ, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"},
        )


def _place(fleet: Path, target: TargetOptions) -> list[str]:
    return [str(fleet), *(["--state", str(target.state)] if target.state else [])]

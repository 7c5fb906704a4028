"""Runs Terraform in a root: which tool, with which environment, ready to go, and what its errors mean."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from chainfleet.drivers.calls import call
from chainfleet.drivers.driver import Attempt
from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.event import LimitObserved

from . import backend, diagnosis, process, states
from .messages import Diagnostic, Output
from .reality import Reality, reality_key
from .roots import Root
from .signals import Signals, log_settings
from .tool import Tool, check_tool

_GRACE_S = 30.0
"""How long a Terraform that was interrupted may take to end, in seconds of a real cloud."""

_GRACE_LEAST_S = 5.0


class Runner:
    """Runs commands in roots; keeps what all roots share: the tool, and connections to the cloud."""

    def __init__(self) -> None:
        self._tools: dict[str, Tool] = {}
        self._realities: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, ...], Reality]]
        self._realities = WeakKeyDictionary()

    def reality(self, environ: Mapping[str, str]) -> Reality:
        """What reads the cloud for that environment; one for each event loop."""
        mine = self._realities.setdefault(asyncio.get_running_loop(), {})
        key = reality_key(environ)
        if key not in mine:
            mine[key] = Reality(environ)
        return mine[key]

    async def prepare(self, attempt: Attempt, root: Root) -> None:
        """Make the folder ready: no leftover process, files in place, providers there."""
        left = await process.stop_leftover(root.folder, grace_s=_grace_s(attempt))
        if left:
            attempt.log(left)
        if states.clear_stale_lock(root.state):
            attempt.log("removed the note of a state lock that nobody holds any more")
        recovered = states.recover(root.state)
        if recovered:
            attempt.log(recovered)
        root.write()
        if _needs_init(root, attempt.environ):
            # A root whose backend has changed starts with what lies there: nobody's state is moved unasked.
            output = await self.run(attempt, root, ["init", "-reconfigure", "-input=false", "-no-color"])
            if output.errors:
                raise failed(attempt, output.errors)
            _init_note(root).parent.mkdir(exist_ok=True)
            _init_note(root).write_text(_init_key(root, attempt.environ), encoding="utf-8")
        await self.pull(attempt, root)

    async def pull(self, attempt: Attempt, root: Root) -> None:
        """Copy the state of a root that keeps it in a backend; nothing for others.

        Raises:
            TaskFailed: the backend can't be read.
        """
        if not root.remote:
            return
        tool = self.tool(attempt.environ)
        lines: list[str] = []
        code = await process.run(
            [*tool.command, "state", "pull"],
            folder=root.folder,
            environ=_environment(attempt.environ),
            on_line=lines.append,
            grace_s=_grace_s(attempt),
        )
        text = "\n".join(lines)
        if code != 0:
            raise failed(attempt, [Diagnostic("state pull failed", text[-2000:])])
        start = text.find("{")
        if start < 0:
            root.state.unlink(missing_ok=True)
            return
        root.state.touch(mode=0o600)
        root.state.write_text(text[start:], encoding="utf-8")

    def initialised(self, root: Root, environ: Mapping[str, str]) -> bool:
        """Whether commands can be run in the root as it is."""
        return not _needs_init(root, environ)

    async def run(self, attempt: Attempt, root: Root, arguments: list[str]) -> Output:
        """Run one command; a failure without a diagnostic becomes one."""
        tool = self.tool(attempt.environ)
        output = Output()
        signals = Signals([demand.limit for demand in attempt.task.demands])

        def take(line: str) -> None:
            attempt.log(line)
            progress = output.take(line)
            if progress:
                attempt.progress(progress)
            told = signals.take(line) if logged else None
            if told is not None:
                attempt.observed(told)

        logged = log_settings(attempt.environ)

        attempt.log(f"{tool.name} {tool.version}: {' '.join(arguments)}")
        attempt.fence()
        try:
            with call("terraform", f"{tool.name} {arguments[0]}"):
                code = await process.run(
                    [*tool.command, *arguments],
                    folder=root.folder,
                    environ=_environment(attempt.environ) | logged,
                    on_line=take,
                    grace_s=_grace_s(attempt),
                )
        finally:
            states.clear_stale_lock(root.state)
        last = signals.end()
        if last is not None:
            attempt.observed(last)
        if code != 0 and not output.errors:
            text = "\n".join(output.text[-20:]) or f"exit code {code}"
            output.errors.append(Diagnostic(f"{arguments[0]} failed", text))
        return output

    async def show(self, attempt: Attempt, root: Root, plan: str) -> dict[str, Any]:
        """A saved plan of the root, as JSON values."""
        tool = self.tool(attempt.environ)
        lines: list[str] = []
        await process.run(
            [*tool.command, "show", "-json", plan],
            folder=root.folder,
            environ=_environment(attempt.environ),
            on_line=lines.append,
            grace_s=_grace_s(attempt),
        )
        for line in lines:
            if line.startswith("{"):
                document: dict[str, Any] = json.loads(line)
                return document
        raise TaskFailed(ErrorClass.TRANSIENT, f"{tool.name} shows no plan: {' '.join(lines)[:200]}")

    def tool(self, environ: Mapping[str, str]) -> Tool:
        """The Terraform to use; raises EnvironmentProblem where there is none."""
        path = environ.get("PATH", "")
        if path not in self._tools:
            self._tools[path] = check_tool(environ)
        return self._tools[path]


def _grace_s(attempt: Attempt) -> float:
    return max(_GRACE_LEAST_S, _GRACE_S / attempt.fleet.deployment.time_scale)


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The process environment of a command: no questions, no news, and no shared plugin cache.

    Terraform's cache is not safe for concurrent use; a read-only mirror (TF_CLI_CONFIG_FILE) is.
    """
    unsafe = ("TF_PLUGIN_CACHE_DIR", "TF_CLI_ARGS")
    mine = {name: value for name, value in environ.items() if name not in unsafe}
    return mine | {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}


def _needs_init(root: Root, environ: Mapping[str, str]) -> bool:
    """Whether providers have to be fetched: not if somebody else runs them, nor if they are there already."""
    try:
        attached = {name.lower() for name in json.loads(environ.get("TF_REATTACH_PROVIDERS") or "{}")}
    except ValueError as error:
        raise TaskFailed(
            ErrorClass.CONFIGURATION,
            f"TF_REATTACH_PROVIDERS is not JSON: {error}",
            way_out="unset it, or start the emulated cloud anew",
        ) from error
    names = {name.lower() for name in root.providers}
    if not root.remote and all(
        any(address.endswith(f"/{name}") or address == name for address in attached) for name in names
    ):
        return False
    try:
        return _init_note(root).read_text(encoding="utf-8") != _init_key(root, environ)
    except OSError:
        return True


def _init_note(root: Root) -> Path:
    return root.folder / ".terraform" / "chainfleet"


def _init_key(root: Root, environ: Mapping[str, str]) -> str:
    config = environ.get("TF_CLI_CONFIG_FILE", "")
    pinned = ("versions.tf", ".terraform.lock.hcl", backend.FILE)
    versions = "".join(root.files.get(name, "") for name in pinned)
    return f"{config}\n{versions}"


def failed(attempt: Attempt, errors: list[Diagnostic]) -> TaskFailed:
    """The failure that these errors add up to; a throttling is told to its limit as well."""
    error = diagnosis.failure(errors, [demand.limit for demand in attempt.task.demands])
    if error.error_class is ErrorClass.THROTTLED and error.limit is not None:
        attempt.observed(LimitObserved(error.limit, throttled=1, retry_after_s=error.retry_after_s))
    return error

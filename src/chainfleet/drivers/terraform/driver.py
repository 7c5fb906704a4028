"""The Terraform driver: a region's network and cluster."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakKeyDictionary

from chainfleet.drivers.driver import Attempt, Outcome
from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.event import LimitObserved

from . import adoption, diagnosis, process, roots, states, unfinished, vaults
from .messages import Diagnostic, Output
from .modules import modules_folder
from .reality import Reality, reality_key
from .roots import Root, root_of
from .tool import Tool, check_tool

_ROUNDS = 8
"""How often an apply may find something that exists already: its dependents show up only afterwards."""

_LOCK_WAIT_S = 10
"""How long Terraform waits for a state that is locked."""

_GRACE_S = 30.0
"""How long a Terraform that was interrupted may take to end, in seconds of a real cloud."""

_GRACE_LEAST_S = 5.0


@dataclass(frozen=True, slots=True)
class _Applied:
    """What a root looked like when it was applied last."""

    fingerprint: str
    lineage: str
    serial: int


class TerraformDriver:
    """Carries out `infrastructure/network/{region}` and `infrastructure/cluster/{region}`.

    Args:
        modules: folder with the Terraform modules; those of this installation where not given.
    """

    def __init__(self, modules: Path | None = None) -> None:
        self._modules = modules
        self._tools: dict[str, Tool] = {}
        self._realities: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, ...], Reality]]
        self._realities = WeakKeyDictionary()

    async def observe(self, attempt: Attempt) -> Outcome | None:
        """Outcome if the root was applied as it now is and every resource still is as its state says."""
        root = self._root(attempt)
        applied = _applied(root)
        if applied is None or not states.is_sound(root.folder / roots.STATE):
            return None
        state = _state(root)
        if state is None or not state.resources:
            return None
        if applied != _Applied(root.fingerprint, state.lineage, state.serial):
            attempt.log("the module, its variables or its state have changed since they were applied")
            return None
        different = await self._reality(attempt.environ).differences(state.resources)
        for line in different:
            attempt.log(line)
        return None if different else Outcome(state.outputs, changed=False)

    async def change(self, attempt: Attempt) -> Outcome:
        """Apply the root, taking up what an earlier attempt left behind."""
        root = self._root(attempt)
        await self._prepare(attempt, root)
        state = _state(root)
        # A root that has nothing yet has nothing to refresh.
        refresh = [] if state is not None and state.resources else ["-refresh=false"]
        recover = vaults.is_new(root, state) and await self._vault_is_deleted(attempt, root)
        try:
            output = await self._apply(attempt, root, [*_apply_command(attempt), *refresh], recover=recover)
        finally:
            (root.folder / adoption.ADOPTION).unlink(missing_ok=True)
        return Outcome(_remember(root), changed=output.changed > 0)

    async def _apply(self, attempt: Attempt, root: Root, arguments: list[str], *, recover: bool) -> Output:
        """Apply, and again as long as that brings up what exists already, alive or deleted."""
        for _ in range(_ROUNDS):
            output = await self._run(attempt, root, [*arguments, vaults.RECOVER] if recover else arguments)
            if not output.errors:
                if recover:
                    await self._write_recovered(attempt, root)
                return output
            if not recover and vaults.is_in_the_way(output.errors):
                recover = await self._vault_is_deleted(attempt, root)
                if recover:
                    continue
            if await self._settled(attempt, unfinished.busy_resources(output.errors)):
                continue
            found = adoption.orphans(output.errors)
            if not found:
                break
            # Only a vault that is deleted can be recovered.
            recover = recover and vaults.ADDRESS not in found
            await self._adopt(attempt, root, found)
        raise _failed(attempt, output.errors)

    async def _vault_is_deleted(self, attempt: Attempt, root: Root) -> bool:
        """Whether the vault has to be recovered; who may not ask goes on as if it had not."""
        read = self._reality(attempt.environ).read
        try:
            deleted = await vaults.is_deleted(root, fleet=attempt.fleet.name, read=read)
        except TaskFailed as error:
            if error.error_class is not ErrorClass.AUTHORISATION:
                raise
            attempt.log(f"can't tell whether the key vault was deleted: {error.message}")
            return False
        if deleted:
            attempt.log("the key vault was deleted and is still kept, recovering it")
        return deleted

    async def _settled(self, attempt: Attempt, busy: list[tuple[str, str]]) -> bool:
        """Wait for operations that go on at these resources; False if there is none."""
        return await unfinished.wait_until_settled(
            busy,
            read=self._reality(attempt.environ).read,
            say=attempt.log,
            time_scale=attempt.fleet.deployment.time_scale,
        )

    async def _write_recovered(self, attempt: Attempt, root: Root) -> None:
        """Write the recovered vault once more, as configured: the order to recover leaves the state.

        An attempt that ends before this has no note of an apply, so the next one does the same.
        """
        (root.folder / adoption.ADOPTION).unlink(missing_ok=True)
        output = await self._run(attempt, root, [*_apply_command(attempt), "-refresh=false"])
        if output.errors:
            raise _failed(attempt, output.errors)

    async def undo(self, attempt: Attempt) -> Outcome:
        """Destroy what the root's own state holds, and nothing else."""
        root = roots.root_as_written(attempt)
        existed = (root.folder / roots.STATE).exists()
        await self._prepare(attempt, root)
        state = _state(root)
        if existed and state is None:
            message = f"the state in {root.folder} was damaged: what it held is not known"
            raise TaskFailed(
                ErrorClass.CONFIGURATION, message, way_out="deploy the region again, then destroy"
            )
        if state is None or not state.resources:
            return Outcome(changed=False)
        # What is gone already can be deleted again, so there is no need to look first.
        arguments = ["apply", "-destroy", "-auto-approve", "-refresh=false", *_common(attempt)]
        output = await self._run(attempt, root, arguments)
        if await self._settled(attempt, unfinished.busy_resources(output.errors)):
            output = await self._run(attempt, root, arguments)
        if output.errors:
            raise _failed(attempt, output.errors)
        (root.folder / roots.APPLIED).unlink(missing_ok=True)
        return Outcome(changed=output.changed > 0)

    def _root(self, attempt: Attempt) -> Root:
        return root_of(attempt, self._modules or modules_folder())

    def _reality(self, environ: Mapping[str, str]) -> Reality:
        mine = self._realities.setdefault(asyncio.get_running_loop(), {})
        key = reality_key(environ)
        if key not in mine:
            mine[key] = Reality(environ)
        return mine[key]

    def _tool(self, environ: Mapping[str, str]) -> Tool:
        path = environ.get("PATH", "")
        if path not in self._tools:
            self._tools[path] = check_tool(environ)
        return self._tools[path]

    async def _prepare(self, attempt: Attempt, root: Root) -> None:
        """Make the folder ready: no leftover process, files in place, providers there."""
        left = await process.stop_leftover(root.folder, grace_s=_grace_s(attempt))
        if left:
            attempt.log(left)
        if states.clear_stale_lock(root.folder / roots.STATE):
            attempt.log("removed the note of a state lock that nobody holds any more")
        recovered = states.recover(root.folder / roots.STATE)
        if recovered:
            attempt.log(recovered)
        root.write()
        if not _needs_init(root, attempt.environ):
            return
        output = await self._run(attempt, root, ["init", "-input=false", "-no-color"])
        if output.errors:
            raise _failed(attempt, output.errors)
        _init_note(root).write_text(_init_key(root, attempt.environ), encoding="utf-8")

    async def _adopt(self, attempt: Attempt, root: Root, found: dict[str, str]) -> None:
        for address, resource_id in found.items():
            attempt.log(f"{address} exists already, taking it up: {resource_id}")
        versions = adoption.module_versions(tuple(root.files.values()))
        await adoption.adopt(
            root.folder,
            found,
            group=f"{attempt.fleet.resource_prefix}-{attempt.task.subject}",
            fleet=attempt.fleet.name,
            versions=versions,
            read=self._reality(attempt.environ).read,
        )
        await self._settled(attempt, [(i, adoption.version_of(i, versions)) for i in found.values()])

    async def _run(self, attempt: Attempt, root: Root, arguments: list[str]) -> Output:
        """Run one command; a failure without a diagnostic becomes one."""
        tool = self._tool(attempt.environ)
        output = Output()

        def take(line: str) -> None:
            attempt.log(line)
            progress = output.take(line)
            if progress:
                attempt.progress(progress)

        attempt.log(f"{tool.name} {tool.version}: {' '.join(arguments)}")
        attempt.fence()
        try:
            code = await process.run(
                [*tool.command, *arguments],
                folder=root.folder,
                environ=_environment(attempt.environ),
                on_line=take,
                grace_s=_grace_s(attempt),
            )
        finally:
            states.clear_stale_lock(root.folder / roots.STATE)
        if code != 0 and not output.errors:
            text = "\n".join(output.text[-20:]) or f"exit code {code}"
            output.errors.append(Diagnostic(f"{arguments[0]} failed", text))
        return output


def _common(attempt: Attempt) -> list[str]:
    parallelism = max(1, attempt.parallelism)
    return ["-input=false", "-json", f"-parallelism={parallelism}", f"-lock-timeout={_LOCK_WAIT_S}s"]


def _apply_command(attempt: Attempt) -> list[str]:
    return ["apply", "-auto-approve", *_common(attempt)]


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
        raise TaskFailed(ErrorClass.CONFIGURATION, f"TF_REATTACH_PROVIDERS is not JSON: {error}") from error
    names = {name.lower() for name in root.providers}
    if all(any(address.endswith(f"/{name}") or address == name for address in attached) for name in names):
        return False
    try:
        return _init_note(root).read_text(encoding="utf-8") != _init_key(root, environ)
    except OSError:
        return True


def _init_note(root: Root) -> Path:
    return root.folder / ".terraform" / "chainfleet"


def _init_key(root: Root, environ: Mapping[str, str]) -> str:
    config = environ.get("TF_CLI_CONFIG_FILE", "")
    versions = root.files.get("versions.tf", "") + root.files.get(".terraform.lock.hcl", "")
    return f"{config}\n{versions}"


def _failed(attempt: Attempt, errors: list[Diagnostic]) -> TaskFailed:
    error = diagnosis.failure(errors, [demand.limit for demand in attempt.task.demands])
    if error.error_class is ErrorClass.THROTTLED and error.limit is not None:
        attempt.observed(LimitObserved(error.limit, throttled=1, retry_after_s=error.retry_after_s))
    return error


def _state(root: Root) -> states.State | None:
    try:
        return states.read_state(root.folder / roots.STATE)
    except (OSError, ValueError) as error:
        message = f"the state in {root.folder} can't be read: {error}"
        raise TaskFailed(ErrorClass.CONFIGURATION, message) from error


def _applied(root: Root) -> _Applied | None:
    try:
        return _Applied(**json.loads((root.folder / roots.APPLIED).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _remember(root: Root) -> Mapping[str, object]:
    """Note what was applied, and return the outputs."""
    state = _state(root)
    if state is None:
        message = "Terraform reported success and wrote no state"
        raise TaskFailed(ErrorClass.INTERNAL, message)
    note = {"fingerprint": root.fingerprint, "lineage": state.lineage, "serial": state.serial}
    path = root.folder / roots.APPLIED
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(note), encoding="utf-8")
    temporary.replace(path)
    return state.outputs

"""Several regions in one root: fewer Terraforms at once, for machines with little memory and few cores.

Each region is a module of its own in the group's root, so that `-target` leaves the others alone. Attempts that come
together are applied together; a region that failed is tried again alone. The price: regions of a group share a state,
its lock and its file, and wait for each other's applies (see docs/decisions). For Azure only: the other clouds'
providers are configured for one region each.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from weakref import WeakKeyDictionary

from chainfleet.drivers.driver import Attempt, Outcome
from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.fleet import Fleet, Region

from . import adoption, roots, unfinished, vaults
from .applied import state_of
from .applying import apply_looked_at, common
from .batching import Batch
from .messages import Diagnostic
from .modules import modules_folder
from .roots import Root
from .runner import Runner, failed
from .states import Held

_ROUNDS = 8
_WINDOW_S = 0.2
"""How long the first of a batch waits for others: admission hands out twins within milliseconds."""

_NOTES = ".chainfleet-regions.json"
_PROVIDER_BLOCK = re.compile(r'^provider "\w+" \{\}$', re.MULTILINE)


class GroupedRoots:
    """Carries out `infrastructure/{network,cluster}/{region}` with several regions in a root.

    Args:
        runner: runs the commands.
        modules: folder with the Terraform modules; those of this installation where not given.
    """

    def __init__(self, runner: Runner, modules: Path | None = None) -> None:
        self._runner = runner
        self._modules = modules
        self._batches: WeakKeyDictionary[
            asyncio.AbstractEventLoop, dict[tuple[Path, str], Batch[Attempt, Outcome]]
        ] = WeakKeyDictionary()
        self._locks: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Path, asyncio.Lock]] = (
            WeakKeyDictionary()
        )

    async def observe(self, attempt: Attempt) -> Outcome | None:
        """Outcome if the region was applied as it now is and every resource still is as the state says."""
        single = self._single(attempt)
        group = self._as_written(attempt)
        if _notes(group).get(attempt.task.subject) != single.fingerprint:
            return None
        held, outputs = self._of_region(group, attempt)
        if not held or outputs is None:
            return None
        different = await self._runner.reality(attempt.environ).differences(held)
        for line in different:
            attempt.log(line)
        return None if different else Outcome(outputs, changed=False)

    async def change(self, attempt: Attempt) -> Outcome:
        """Apply the region, together with others of its group that want it now."""
        return await self._batch(attempt, "change").join(attempt)

    async def undo(self, attempt: Attempt) -> Outcome:
        """Destroy what the group's state holds of the region, and nothing else."""
        return await self._batch(attempt, "undo").join(attempt)

    def _batch(self, attempt: Attempt, kind: str) -> Batch[Attempt, Outcome]:
        mine = self._batches.setdefault(asyncio.get_running_loop(), {})
        key = (group_folder(attempt), kind)
        if key not in mine:
            work = self._change_all if kind == "change" else self._undo_all
            mine[key] = Batch(work, _WINDOW_S)
        return mine[key]

    def _lock(self, folder: Path) -> asyncio.Lock:
        mine = self._locks.setdefault(asyncio.get_running_loop(), {})
        return mine.setdefault(folder, asyncio.Lock())

    # --- applying ----------------------------------------------------------------------------------

    async def _change_all(self, attempts: list[Attempt]) -> list[Outcome | Exception]:
        lead = attempts[0]
        async with self._lock(group_folder(lead)):
            singles = {attempt.task.subject: self._single(attempt) for attempt in attempts}
            group = self._with(lead, singles)
            await self._prepare(lead, group)
            results = await self._apply_rounds(group, attempts)
            await self._runner.pull(lead, group)
            notes = _notes(group)
            for index, attempt in enumerate(attempts):
                name = attempt.task.subject
                if not isinstance(results[index], Exception):
                    results[index] = self._outcome(group, attempt, changed=bool(results[index]))
                    notes[name] = singles[name].fingerprint
            _write_notes(group, notes)
        return [each if isinstance(each, Outcome | Exception) else Outcome() for each in results]

    async def _apply_rounds(self, group: Root, attempts: list[Attempt]) -> list[object]:
        """Apply, and again what was found to exist already or to be under way; True, False or an error for each."""
        results: dict[str, object] = {attempt.task.subject: None for attempt in attempts}
        open_ = list(attempts)
        try:
            for _ in range(_ROUNDS):
                targets = [f"-target=module.{attempt.task.subject}" for attempt in open_]
                output = await apply_looked_at(self._runner, open_[0], group, targets)
                by_region = _by_region(output.errors, [attempt.task.subject for attempt in open_])
                for attempt in open_:
                    if not by_region[attempt.task.subject]:
                        results[attempt.task.subject] = output.changed > 0
                open_ = [each for each in open_ if by_region[each.task.subject]]
                again = [
                    each for each in open_ if await self._mended(group, each, by_region[each.task.subject])
                ]
                for attempt in open_:
                    if attempt not in again:
                        results[attempt.task.subject] = failed(attempt, by_region[attempt.task.subject])
                open_ = again
                if not open_:
                    break
            for attempt in open_:
                results[attempt.task.subject] = failed(attempt, by_region[attempt.task.subject])
        finally:
            (group.folder / adoption.ADOPTION).unlink(missing_ok=True)
        return [results[attempt.task.subject] for attempt in attempts]

    async def _mended(self, group: Root, attempt: Attempt, errors: list[Diagnostic]) -> bool:
        """Whether it is worth applying once more: something was under way, or exists already and was taken up."""
        reality = self._runner.reality(attempt.environ)
        busy = unfinished.busy_resources(errors)
        scale = attempt.fleet.deployment.time_scale
        if await unfinished.wait_until_settled(busy, read=reality.read, say=attempt.log, time_scale=scale):
            return True
        found = adoption.orphans(errors)
        if not found:
            if any(error.address.endswith(vaults.ADDRESS) for error in errors):
                attempt.log(
                    "a deleted key vault can be recovered with one root per region only (layout: per-region)"
                )
            return False
        module = {name: text for name, text in group.files.items() if name.startswith("module/")}
        await adoption.adopt(
            group.folder,
            found,
            group=f"{attempt.fleet.resource_prefix}-{attempt.task.subject}",
            fleet=attempt.fleet.name,
            versions=adoption.module_versions(tuple(module.values())),
            read=reality.read,
        )
        return True

    # --- destroying --------------------------------------------------------------------------------

    async def _undo_all(self, attempts: list[Attempt]) -> list[Outcome | Exception]:
        lead = attempts[0]
        async with self._lock(group_folder(lead)):
            group = self._as_written(lead)
            await self._prepare(lead, group)
            held = [attempt for attempt in attempts if self._of_region(group, attempt)[0]]
            results: dict[str, Outcome | Exception] = {
                each.task.subject: Outcome(changed=False) for each in attempts
            }
            if held:
                targets = [f"-target=module.{attempt.task.subject}" for attempt in held]
                arguments = ["apply", "-destroy", "-auto-approve", "-refresh=false", *common(lead), *targets]
                output = await self._runner.run(lead, group, arguments)
                by_region = _by_region(output.errors, [attempt.task.subject for attempt in held])
                for attempt in held:
                    errors = by_region[attempt.task.subject]
                    results[attempt.task.subject] = failed(attempt, errors) if errors else Outcome()
            await self._runner.pull(lead, group)
            notes = _notes(group)
            gone = {name for name, result in results.items() if isinstance(result, Outcome)}
            _write_notes(group, {name: note for name, note in notes.items() if name not in gone})
        return [results[attempt.task.subject] for attempt in attempts]

    # --- roots -------------------------------------------------------------------------------------

    async def _prepare(self, attempt: Attempt, group: Root) -> None:
        await self._runner.prepare(attempt, group)
        output = await self._runner.run(attempt, group, ["get", "-no-color"])
        if output.errors:
            raise failed(attempt, output.errors)

    def _single(self, attempt: Attempt) -> Root:
        return roots.root_of(attempt, self._modules or modules_folder())

    def _as_written(self, attempt: Attempt) -> Root:
        folder = group_folder(attempt)
        paths = [path for pattern in ("*.tf", "*.json", "module/*.tf") for path in folder.glob(pattern)]
        mine = [path for path in paths if not path.name.startswith(".") and path.name != adoption.ADOPTION]
        files = {str(path.relative_to(folder)): path.read_text(encoding="utf-8") for path in mine}
        return roots.root_with(folder, files)

    def _with(self, attempt: Attempt, singles: Mapping[str, Root]) -> Root:
        """The group's root, with these regions as they now are and the others as they were."""
        before = self._as_written(attempt).files
        any_single = next(iter(singles.values()))
        files = {name: text for name, text in before.items() if name.startswith("region-")}
        for name, text in any_single.files.items():
            if name.endswith(".tf"):
                files[f"module/{name}"] = _PROVIDER_BLOCK.sub("", text)
            elif name == ".terraform.lock.hcl":
                files[name] = text
        for name, single in singles.items():
            files[f"region-{name}.tf.json"] = _region_file(name, json.loads(single.files[roots.VARIABLES]))
        files["versions.tf"] = any_single.files["versions.tf"]
        files |= roots.backend_of(attempt, _group_of(attempt))
        return roots.root_with(group_folder(attempt), files)

    def _of_region(
        self, group: Root, attempt: Attempt
    ) -> tuple[tuple[Held, ...], Mapping[str, object] | None]:
        """What the group's state holds of the region, and the region's outputs."""
        state = state_of(group)
        if state is None:
            return (), None
        prefix = f"module.{attempt.task.subject}."
        return tuple(each for each in state.resources if each.address.startswith(prefix)), state.outputs.get(
            attempt.task.subject
        )

    def _outcome(self, group: Root, attempt: Attempt, *, changed: bool) -> Outcome | Exception:
        _, outputs = self._of_region(group, attempt)
        if outputs is None:
            return TaskFailed(ErrorClass.INTERNAL, "Terraform reported success and wrote no outputs")
        return Outcome(outputs, changed=changed)


def is_grouped(fleet: Fleet, region: Region) -> bool:
    """Whether the region shares a root with others."""
    return region.cloud == "azure" and fleet.deployment.terraform.layout == "grouped"


def group_name(fleet: Fleet, region: Region) -> str:
    """Name of the group that a region is in: regions of one cloud, in the fleet's order, so many in each."""
    names = [each.name for each in fleet.regions if each.cloud == region.cloud]
    number = names.index(region.name) // fleet.deployment.terraform.regions_per_root
    return f"group-{region.cloud}-{number + 1}"


def group_folder(attempt: Attempt) -> Path:
    """Where the group's root lies."""
    stage = roots.stage_of(attempt.task.action)
    return attempt.workspace / "terraform" / _group_of(attempt) / stage


def _group_of(attempt: Attempt) -> str:
    return group_name(attempt.fleet, attempt.fleet.region(attempt.task.subject))


def _region_file(name: str, values: Mapping[str, object]) -> str:
    document = {
        "module": {name: {"source": "./module", **values}},
        "output": {name: {"value": f"${{module.{name}}}"}},
    }
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


def _by_region(errors: Sequence[Diagnostic], names: Sequence[str]) -> dict[str, list[Diagnostic]]:
    """Errors of each region; one that names no region is everybody's."""
    found: dict[str, list[Diagnostic]] = {name: [] for name in names}
    for error in errors:
        owner = next((name for name in names if error.address.startswith(f"module.{name}.")), None)
        for name in names if owner is None else [owner]:
            found[name].append(error)
    return found


def _notes(group: Root) -> dict[str, str]:
    try:
        notes: dict[str, str] = json.loads((group.folder / _NOTES).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return notes


def _write_notes(group: Root, notes: Mapping[str, str]) -> None:
    path = group.folder / _NOTES
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(notes), encoding="utf-8")
    temporary.replace(path)

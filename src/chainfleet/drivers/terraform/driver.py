"""The Terraform driver: a region's network and cluster."""

from __future__ import annotations

from pathlib import Path

from chainfleet.drivers.driver import Attempt, Outcome
from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.event import LimitObserved

from . import adoption, roots, states, unfinished, vaults
from .applied import Applied, applied, remember, state_of
from .applying import apply_looked_at, common
from .grouped import GroupedRoots, is_grouped
from .messages import Output
from .modules import modules_folder
from .roots import Root, root_of
from .runner import Runner, failed

_ROUNDS = 8
"""How often an apply may find something that exists already: its dependents show up only afterwards."""


class TerraformDriver:
    """Carries out `infrastructure/network/{region}` and `infrastructure/cluster/{region}`.

    Args:
        modules: folder with the Terraform modules; those of this installation where not given.
    """

    def __init__(self, modules: Path | None = None) -> None:
        self._modules = modules
        self._runner = Runner()
        self._grouped = GroupedRoots(self._runner, modules)

    async def observe(self, attempt: Attempt) -> Outcome | None:
        """Outcome if the root was applied as it now is and every resource still is as its state says."""
        if _is_grouped(attempt):
            return await self._grouped.observe(attempt)
        root = self._root(attempt)
        last = applied(root)
        if last is None or not states.is_sound(root.state):
            return None
        if root.remote:
            if not self._runner.initialised(root, attempt.environ):
                return None
            await self._runner.pull(attempt, root)
        state = state_of(root)
        if state is None or not state.resources:
            return None
        if last != Applied(root.fingerprint, state.lineage, state.serial):
            attempt.log("the module, its variables or its state have changed since they were applied")
            return None
        reality = self._runner.reality(attempt.environ)
        different = await reality.differences(state.resources)
        if reality.left is not None:
            attempt.observed(
                LimitObserved("azure/arm/read", remaining=reality.left, calls=len(state.resources))
            )
        for line in different:
            attempt.log(line)
        return None if different else Outcome(state.outputs, changed=False)

    async def change(self, attempt: Attempt) -> Outcome:
        """Apply the root, taking up what an earlier attempt left behind."""
        if _is_grouped(attempt):
            return await self._grouped.change(attempt)
        root = self._root(attempt)
        await self._runner.prepare(attempt, root)
        state = state_of(root)
        # A root that has nothing yet has nothing to refresh.
        refresh = [] if state is not None and state.resources else ["-refresh=false"]
        recover = vaults.is_new(root, state) and await self._vault_is_deleted(attempt, root)
        try:
            output = await self._apply(attempt, root, refresh, recover=recover)
        finally:
            (root.folder / adoption.ADOPTION).unlink(missing_ok=True)
        await self._runner.pull(attempt, root)
        return Outcome(remember(root), changed=output.changed > 0)

    async def _apply(self, attempt: Attempt, root: Root, arguments: list[str], *, recover: bool) -> Output:
        """Apply, and again as long as that brings up what exists already, alive or deleted."""
        for _ in range(_ROUNDS):
            extra = [vaults.RECOVER] if recover else []
            output = await apply_looked_at(self._runner, attempt, root, [*arguments, *extra])
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
        raise failed(attempt, output.errors)

    async def _vault_is_deleted(self, attempt: Attempt, root: Root) -> bool:
        """Whether the vault has to be recovered; who may not ask goes on as if it had not."""
        read = self._runner.reality(attempt.environ).read
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
            read=self._runner.reality(attempt.environ).read,
            say=attempt.log,
            time_scale=attempt.fleet.deployment.time_scale,
        )

    async def _write_recovered(self, attempt: Attempt, root: Root) -> None:
        """Write the recovered vault once more, as configured: the order to recover leaves the state.

        An attempt that ends before this has no note of an apply, so the next one does the same.
        """
        (root.folder / adoption.ADOPTION).unlink(missing_ok=True)
        output = await self._runner.run(
            attempt, root, ["apply", "-auto-approve", *common(attempt), "-refresh=false"]
        )
        if output.errors:
            raise failed(attempt, output.errors)

    async def undo(self, attempt: Attempt) -> Outcome:
        """Destroy what the root's own state holds, and nothing else."""
        if _is_grouped(attempt):
            return await self._grouped.undo(attempt)
        root = roots.root_as_written(attempt)
        existed = root.state.exists()
        await self._runner.prepare(attempt, root)
        state = state_of(root)
        if existed and state is None:
            message = f"the state in {root.folder} was damaged: what it held is not known"
            raise TaskFailed(
                ErrorClass.CONFIGURATION, message, way_out="deploy the region again, then destroy"
            )
        if state is None or not state.resources:
            return Outcome(changed=False)
        # What is gone already can be deleted again, so there is no need to look first.
        arguments = ["apply", "-destroy", "-auto-approve", "-refresh=false", *common(attempt)]
        output = await self._runner.run(attempt, root, arguments)
        if await self._settled(attempt, unfinished.busy_resources(output.errors)):
            output = await self._runner.run(attempt, root, arguments)
        if output.errors:
            raise failed(attempt, output.errors)
        (root.folder / roots.APPLIED).unlink(missing_ok=True)
        return Outcome(changed=output.changed > 0)

    def _root(self, attempt: Attempt) -> Root:
        return root_of(attempt, self._modules or modules_folder())

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
            read=self._runner.reality(attempt.environ).read,
        )
        await self._settled(attempt, [(i, adoption.version_of(i, versions)) for i in found.values()])


def _is_grouped(attempt: Attempt) -> bool:
    return is_grouped(attempt.fleet, attempt.fleet.region(attempt.task.subject))

"""Applies a root: where something stands already, exactly the plan that was looked at and destroys nothing."""

from __future__ import annotations

from collections.abc import Sequence

from chainfleet.drivers.driver import Attempt
from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.variables import Variable

from .applied import state_of
from .messages import Output
from .plans import destroyed
from .roots import Root
from .runner import Runner

_PLAN = "chainfleet-apply.tfplan"

ALLOW_DESTROY = Variable.ALLOW_DESTROY
"""Environment variable that, at 1, lets a plan destroy or replace what stands."""

_LOCK_WAIT_S = 10
"""How long Terraform waits for a state that is locked."""


def common(attempt: Attempt) -> list[str]:
    """Arguments of every command that plans or applies."""
    parallelism = max(1, attempt.parallelism)
    return ["-input=false", "-json", f"-parallelism={parallelism}", f"-lock-timeout={_LOCK_WAIT_S}s"]


async def apply_looked_at(runner: Runner, attempt: Attempt, root: Root, arguments: Sequence[str]) -> Output:
    """Apply the root once.

    Raises:
        TaskFailed: the plan would destroy or replace what stands.
    """
    state = state_of(root)
    if state is None or not state.resources:
        return await runner.run(attempt, root, ["apply", "-auto-approve", *common(attempt), *arguments])
    try:
        output = await runner.run(attempt, root, ["plan", f"-out={_PLAN}", *common(attempt), *arguments])
        if output.errors:
            return output
        lost = destroyed(await runner.show(attempt, root, _PLAN))
        if lost and attempt.environ.get(ALLOW_DESTROY) != "1":
            message = f"the plan would destroy {', '.join(lost)}; nothing was applied"
            way_out = "undo the change in the fleet file, or pass --allow-destroy"
            raise TaskFailed(ErrorClass.CONFIGURATION, message, way_out=way_out)
        return await runner.run(attempt, root, ["apply", *common(attempt), _PLAN])
    finally:
        # It holds every value of the state: nothing to leave lying about, refused or not.
        (root.folder / _PLAN).unlink(missing_ok=True)

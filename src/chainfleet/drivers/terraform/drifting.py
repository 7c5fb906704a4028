"""What has changed behind a root's state, by a plan that only refreshes: for providers that read their resources back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chainfleet.drivers.driver import Attempt

from .plan_finding import PROVIDER_ONLY
from .roots import Root
from .runner import Runner, failed

_PLAN = "chainfleet-drift.tfplan"


async def differences(runner: Runner, attempt: Attempt, root: Root) -> list[str]:
    """What is missing or changed, one line each; empty if all is as the state says. Nothing is written to the state.

    Raises:
        TaskFailed: Terraform or the cloud refused.
    """
    await runner.prepare(attempt, root)
    try:
        arguments = ["plan", "-refresh-only", "-json", "-input=false", "-lock=false", f"-out={_PLAN}"]
        output = await runner.run(attempt, root, arguments)
        if output.errors:
            raise failed(attempt, output.errors)
        document = await runner.show(attempt, root, _PLAN)
    finally:
        (root.folder / _PLAN).unlink(missing_ok=True)
    return [line for row in document.get("resource_drift") or () if (line := _line(row))]


def _line(row: Mapping[str, Any]) -> str:
    before, after = row["change"]["before"] or {}, row["change"]["after"]
    if after is None:
        return f"{row['address']} is gone"
    changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    told = [name for name in changed if name not in PROVIDER_ONLY]
    return f"{row['address']} was changed at {', '.join(told)}" if told else ""

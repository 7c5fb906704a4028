"""Waits for resources that the cloud is still working on.

An attempt that was stopped leaves its operation behind: the cloud goes on making the cluster, for a quarter of an
hour perhaps, and refuses every other operation on it meanwhile. Backing off blindly uses up all attempts long before
that; the resource itself says when it is ready, so it is asked.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

from chainfleet.model.errors import ErrorClass

from .diagnosis import understand
from .messages import Diagnostic

POLL_S = 10.0
"""Seconds between two looks, on a real cloud: what ARM asks for in Retry-After while AKS makes a cluster."""

_POLL_LEAST_S = 0.2

_SETTLED = frozenset({"", "succeeded", "failed", "canceled"})
"""ARM's terminal provisioning states (Azure Resource Manager, "asynchronous operations"); "" is none at all."""

_NAMED = re.compile(r'ResourceId \\?"([^"\\]+)\\?" / Api Version \\?"([^"\\]+)\\?"')

Reader = Callable[[str, str], Awaitable[dict[str, Any] | None]]


def busy_resources(errors: Sequence[Diagnostic]) -> list[tuple[str, str]]:
    """Ids and API versions of the resources that another operation holds; empty if any error is of another kind."""
    found = []
    for error in errors:
        named = _NAMED.search(error.detail)
        if named is None or understand(error).error_class is not ErrorClass.CONFLICT:
            return []
        found.append((named[1], named[2]))
    return found


async def wait_until_settled(
    resources: Iterable[tuple[str, str]], *, read: Reader, say: Callable[[str], None], time_scale: float
) -> bool:
    """Wait until no operation is going on at any of the resources, nor at what they are part of.

    Args:
        resources: ids with an API version each.
        read: reads a resource by id and API version.
        say: takes a line for the log, once for each change of state.
        time_scale: how many times faster than a real one the cloud is.

    Returns:
        Whether there was anything to wait for. The caller's own timeout ends a wait that takes too long.
    """
    waited = False
    told: dict[str, str] = {}
    pending = {part: version for resource, version in resources for part in _with_parents(resource)}
    while pending:
        for resource, version in list(pending.items()):
            state = _state(await read(resource, version))
            if state in _SETTLED:
                del pending[resource]
            elif told.get(resource) != state:
                told[resource] = state
                say(f"{resource.rpartition('/')[2]} is {state}, waiting for the operation that goes on there")
        if pending:
            waited = True
            await asyncio.sleep(max(_POLL_LEAST_S, POLL_S / time_scale))
    return waited


def _with_parents(resource: str) -> list[str]:
    """The resource and those of the same provider that it is nested in, outermost last."""
    head, marker, tail = resource.rpartition("/providers/")
    if not marker:
        return [resource]
    parts = tail.split("/")
    return [head + marker + "/".join(parts[:length]) for length in range(len(parts), 2, -2)]


def _state(resource: dict[str, Any] | None) -> str:
    return str(((resource or {}).get("properties") or {}).get("provisioningState", "")).lower()

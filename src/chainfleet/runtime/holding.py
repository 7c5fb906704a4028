"""Work on an environment that is no run (import, drift, changes to the chain): done for as long as its lease is held."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from chainfleet.ledger.lease import Lease

LOOK_S = 0.25
"""How often to look whether the work may go on, in seconds, at least."""

T = TypeVar("T")


async def holding(lease: Lease, work: Coroutine[Any, Any, T]) -> T:
    """Do work, and renew the lease meanwhile; where it is lost or may be, the work is stopped.

    Raises:
        LeaseLost, LeaseUnconfirmed: the work was stopped.
        EnvironmentProblem: the ledger can't be written any more; the work was stopped.
    """
    doing = asyncio.create_task(work, name="work")
    keeping = asyncio.create_task(_keep(lease), name="lease")
    try:
        await asyncio.wait({doing, keeping}, return_when=asyncio.FIRST_COMPLETED)
        if keeping.done():
            keeping.result()
        return doing.result()
    finally:
        for task in (doing, keeping):
            task.cancel()
        await asyncio.gather(doing, keeping, return_exceptions=True)


async def _keep(lease: Lease) -> None:
    """Renew it, for ever; raises as soon as it is not ours for sure."""
    clock = asyncio.get_running_loop().time
    renewed = clock()
    while True:
        await asyncio.sleep(min(LOOK_S, lease.renew_every_s))
        if clock() - renewed >= lease.renew_every_s:
            lease.renew()
            renewed = clock()
        if lease.left_s <= 0:
            lease.check()

"""What every task that works in one region's cluster begins with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from chainfleet.drivers.driver import Attempt
from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.fleet import Region

from .access import clusters
from .client import Applied, Cluster

_UNKNOWN = ("(401)", "system:anonymous")
"""How an API server says that it doesn't know who we are: credentials that ran out look like this."""

_UNREACHABLE = "kubernetes:ConnectError"
"""Nobody listens there: a cluster that was made anew answers elsewhere."""


@dataclass(frozen=True, slots=True)
class RegionTask:
    """An attempt together with its region and the region's cluster."""

    attempt: Attempt
    region: Region
    cluster: Cluster

    @classmethod
    async def of(cls, attempt: Attempt, region_name: str | None = None) -> RegionTask:
        """Return it for the task's region, or another one."""
        region = region_of(attempt, region_name)
        return cls(attempt, region, await clusters().of(attempt, region))

    def log_applied(self, applied: Applied) -> None:
        """Tell what applying did."""
        for title in applied.changed:
            self.attempt.log(f"applied {title}")
        self.attempt.log(f"{len(applied.changed)} objects changed, {applied.unchanged} were right already")

    @asynccontextmanager
    async def expiring_credentials(self) -> AsyncIterator[None]:
        """Give the next attempt a new client where this one's credentials or address ran out.

        A refusal of old credentials then counts as passing, once.
        """
        try:
            yield
        except TaskFailed as error:
            unknown = error.error_class is ErrorClass.AUTHORISATION and any(
                s in error.message for s in _UNKNOWN
            )
            if unknown or error.fingerprint == _UNREACHABLE:
                await clusters().forget(self.attempt, self.region)
            if unknown and self.attempt.number == 1:
                message = f"{error.message}; new credentials will be fetched"
                raise TaskFailed(ErrorClass.TRANSIENT, message, fingerprint=error.fingerprint) from error
            raise


def region_of(attempt: Attempt, region_name: str | None = None) -> Region:
    """Return the region that a task is about."""
    name = region_name or attempt.task.region or attempt.task.subject
    try:
        return attempt.fleet.region(name)
    except KeyError:
        raise TaskFailed(
            ErrorClass.INTERNAL, f"task {attempt.task.id} is about no region of the fleet"
        ) from None

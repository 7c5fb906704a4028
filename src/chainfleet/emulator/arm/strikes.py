"""Faults as ARM and its providers show them: real error codes and texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chainfleet.emulator.seams import FaultKind, Faults

from .compute import CLUSTER, POOL
from .errors import ArmError, bad_request

if TYPE_CHECKING:
    from .kinds import Draft
    from .names import ResourceId
    from .resources import Resource


class Strikes:
    """Asks the faults in force about writes and words them."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def write(self, kind: str, place: ResourceId, draft: Draft) -> ArmError | None:
        """Refuse a write, if a fault says so; returns the error that its operation is to end with.

        Raises:
            ArmError: refused at once.
        """
        region, resource = draft.location, kind.lower()
        if self._faults.strike(FaultKind.CONFLICT, region=region, resource=resource, verb="PUT"):
            raise _conflict(kind, place)
        if self._faults.strike(FaultKind.QUOTA, region=region, resource=resource, verb="PUT"):
            raise _quota(kind, region)
        if self._faults.strike(FaultKind.CAPACITY, region=region, resource=resource, verb="PUT"):
            if kind == CLUSTER:
                raise bad_request(
                    "AKSCapacityHeavyUsage",
                    f"Creating a new cluster is unavailable at this time in region {region} due to high "
                    "demand. To create a new cluster, we recommend using an alternate region. For a list of "
                    "all the Azure regions, visit https://aka.ms/aks/regions.",
                )
            return _allocation(kind, draft)
        return None

    def deletion(self, kind: str, resource: Resource) -> None:
        """Refuse a deletion, if a fault says so.

        Raises:
            ArmError: refused.
        """
        if self._faults.strike(
            FaultKind.CONFLICT, region=resource.location, resource=kind.lower(), verb="DELETE"
        ):
            raise _conflict(kind, resource.id)


def _conflict(kind: str, place: ResourceId) -> ArmError:
    if kind.startswith("Microsoft.ContainerService/"):
        return ArmError(
            409,
            "OperationNotAllowed",
            "Operation is not allowed because there's an in progress update operation on the "
            "managed cluster. "
            "Please wait for it to finish before starting a new operation. "
            "See https://aka.ms/aks-pending-operation for more details",
        )
    if kind.startswith("Microsoft.Network/"):
        return ArmError(
            409,
            "AnotherOperationInProgress",
            "Another operation on this or dependent resource is in progress.",
        )
    return ArmError(
        409, "Conflict", f"The request conflicts with another one on '{place.text}'. Please try again."
    )


def _quota(kind: str, region: str) -> ArmError:
    if kind == CLUSTER:
        return bad_request(
            "ManagedClusterCountExceedsQuotaLimit",
            f"Managed cluster count exceeds quota limit in location {region}.",
        )
    if kind == POOL:
        return bad_request(
            "ErrCode_InsufficientVCPUQuota",
            f"Insufficient regional vcpu quota left for location {region}. left regional vcpu quota 0, "
            "requested quota 8.",
        )
    if kind == "Microsoft.Network/publicIPAddresses":
        return bad_request(
            "PublicIPCountLimitReached",
            "Cannot create more than 10 public IP addresses for this subscription in this region.",
        )
    return ArmError(403, "QuotaExceeded", f"The quota of {kind} in location {region} is exceeded.")


def _allocation(kind: str, draft: Draft) -> ArmError:
    size = draft.prop("vmSize") or "the requested size"
    text = (
        "Allocation failed. We do not have sufficient capacity for the requested VM size in this region. "
        "Read more about improving likelihood of allocation success at http://aka.ms/allocation-guidance"
    )
    if kind == POOL:
        return ArmError(
            409,
            "AllocationFailed",
            f'Code="AllocationFailed" Message="{text}" (VM size {size}, location {draft.location})',
            details=[{"code": "AllocationFailed", "message": text}],
        )
    return ArmError(
        409,
        "SkuNotAvailable",
        f"The requested resource is currently not available in location '{draft.location}'.",
    )

"""JSON-RPC to the fleet's own chain, through the service proxy of any cluster whose validators started."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chainfleet.drivers.driver import Attempt
from chainfleet.drivers.kubernetes import access, client, names
from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.fleet import Region

from .rpc import RpcError, revert_data

_NEXT = frozenset(
    {
        ErrorClass.TRANSIENT,
        ErrorClass.TIMEOUT,
        ErrorClass.CHAIN_NOT_READY,
        ErrorClass.THROTTLED,
        ErrorClass.AUTHORISATION,
    }
)
"""What makes us ask another validator; anything else would be the same there."""
_TIMEOUT_S = 8.0


class FleetJsonRpc:
    """All started validators as one node: it stays with one and goes on to the next when that doesn't answer.

    Args:
        attempt: says which validators have started and how clusters are reached.
    """

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._validators = _started(attempt)
        self._current = 0

    async def call(self, method: str, params: Sequence[Any] = ()) -> Any:
        """Return the result of the first validator that answers; see `JsonRpc.call`."""
        last: TaskFailed | None = None
        for _ in range(len(self._validators)):
            region, index = self._validators[self._current]
            try:
                return await self._ask(region, index, method, params)
            except TaskFailed as error:
                if error.error_class not in _NEXT:
                    raise
                self._attempt.log(f"validator {region.name}-{index} doesn't answer {method}: {error.message}")
                last = error
                self._current = (self._current + 1) % len(self._validators)
        reason = f"; last: {last.message}" if last else ""
        message = f"none of {len(self._validators)} started validators answers {method}{reason}"
        raise TaskFailed(ErrorClass.CHAIN_NOT_READY, message, fingerprint="chain:no-validator")

    async def close(self) -> None:
        """Nothing to do: the clusters' clients are shared."""

    async def _ask(self, region: Region, index: int, method: str, params: Sequence[Any]) -> Any:
        cluster = await access.clusters().of(self._attempt, region)
        port = self._attempt.fleet.network.rpc_port
        try:
            return await cluster.rpc(
                names.NAMESPACE, names.validator(index), port, method, params, _TIMEOUT_S
            )
        except client.RpcError as error:
            raise RpcError(method, error.code, error.message, revert_data(error.data)) from error


def _started(attempt: Attempt) -> list[tuple[Region, int]]:
    fleet = attempt.fleet
    found = []
    for region in fleet.regions:
        for index in range(fleet.validators_of(region)):
            try:
                attempt.outputs(f"besu/start/{region.name}-{index}")
            except KeyError:
                continue
            found.append((region, index))
    # The first validators of all regions, then the second ones: a region that is gone costs one try.
    return sorted(found, key=lambda entry: entry[1])

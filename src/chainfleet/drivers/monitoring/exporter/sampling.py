"""Asks every validator at once, each within the same time; who doesn't answer is shown as such."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from chainfleet.drivers.besu.node import CHAIN_ID, GENESIS, LATEST, PEERS, Node
from chainfleet.drivers.kubernetes.access import Access, clusters
from chainfleet.drivers.kubernetes.client import RpcCall, RpcError
from chainfleet.model.besu.extra_data import Codec
from chainfleet.model.besu.header import Header, read_header
from chainfleet.model.errors import ErrorClass, InputError, TaskFailed
from chainfleet.model.fleet import Fleet

from .judging import Answer, Sample

_VERSION: RpcCall = ("web3_clientVersion", ())
_VERSION_TEXT = re.compile(r"/v(\d[\w.+-]{0,31})")
"""In `besu/IDENTITY/v26.8.0/linux-x86_64/openjdk-java-25`."""
PATIENCE_S = 4.0
"""Seconds that a validator has for its answer, its cluster's credentials included."""


class Validator(Protocol):
    """A validator that can be asked."""

    @property
    def region(self) -> str:
        """Name of its region."""
        ...

    @property
    def index(self) -> int:
        """Which of the region's validators."""
        ...

    async def ask(self, *calls: RpcCall) -> list[Any]:
        """Call several methods; an RpcError stands for an answer that was refused."""
        ...


class FleetValidator:
    """A validator of the fleet, behind its cluster's API server.

    Args:
        fleet: whose.
        access: how clusters are reached.
        region: name of its region.
        index: which of the region's validators.
    """

    def __init__(self, fleet: Fleet, access: Access, region: str, index: int) -> None:
        self.region = region
        self.index = index
        self._fleet = fleet
        self._access = access

    async def ask(self, *calls: RpcCall) -> list[Any]:
        """Call several methods; credentials that ran out are fetched anew by the next question."""
        region = self._fleet.region(self.region)
        cluster = await clusters().of(self._access, region)
        node = Node(cluster, self.region, self.index, self._fleet.network.rpc_port)
        try:
            return await node.ask(*calls)
        except TaskFailed as error:
            if error.error_class is ErrorClass.AUTHORISATION or error.fingerprint.endswith("ConnectError"):
                await clusters().forget(self._access, region)
            raise


def validators_of(fleet: Fleet, access: Access) -> list[FleetValidator]:
    """Return every validator that the fleet declares."""
    return [
        FleetValidator(fleet, access, region.name, index)
        for region in fleet.regions
        for index in range(fleet.validators_of(region))
    ]


async def sample_all(
    validators: Sequence[Validator], codec: Codec, patience_s: float = PATIENCE_S
) -> list[Sample]:
    """Ask everybody at once; takes no longer than the slowest, or `patience_s`."""
    return list(await asyncio.gather(*(_sample(validator, codec, patience_s) for validator in validators)))


async def blocks(
    validator: Validator, first: int, last: int, codec: Codec, patience_s: float = PATIENCE_S
) -> list[Header]:
    """Return the headers of several blocks, both ends included, as far as the validator has them.

    Raises:
        TaskFailed, TimeoutError: it doesn't answer.
        InputError: a header makes no sense.
    """
    calls: list[RpcCall] = [
        ("eth_getBlockByNumber", (hex(number), False)) for number in range(first, last + 1)
    ]
    async with asyncio.timeout(patience_s):
        answers = await validator.ask(*calls)
    return [read_header(block, codec) for block in answers if isinstance(block, Mapping)]


async def _sample(validator: Validator, codec: Codec, patience_s: float) -> Sample:
    try:
        async with asyncio.timeout(patience_s):
            answers = await validator.ask(LATEST, GENESIS, CHAIN_ID, PEERS, _VERSION)
    except (TaskFailed, TimeoutError):
        return Sample(validator.region, validator.index, None)
    except RpcError:
        return Sample(validator.region, validator.index, None, unreadable=True)
    try:
        return Sample(validator.region, validator.index, _answer(answers, codec))
    except (TypeError, ValueError, KeyError, InputError):
        return Sample(validator.region, validator.index, None, unreadable=True)


def _answer(answers: Sequence[Any], codec: Codec) -> Answer:
    latest, genesis, chain_id, peers, version = answers
    return Answer(
        genesis_hash=str(genesis["hash"]).lower(),
        chain_id=_number(chain_id),
        peers=_number(peers),
        version=_version(version),
        claimed=_number(latest["number"]),
        header=_header(latest, codec),
    )


def _version(told: Any) -> str:
    """The version in what a client calls itself; empty where there is none (or the node doesn't tell)."""
    match = _VERSION_TEXT.search(told) if isinstance(told, str) else None
    return match[1] if match else ""


def _number(text: str) -> int:
    number = int(text, 16)
    if not 0 <= number < 2**63:
        raise ValueError("no count of anything")
    return number


def _header(block: Mapping[str, Any], codec: Codec) -> Header | None:
    try:
        return read_header(block, codec)
    except InputError:
        return None

"""What a fleet wants of its oracle on one chain, and what lies there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.fleet import Chain as ChainSpec
from chainfleet.model.fleet import Fleet

from .abi import Abi, abi_of_artefact
from .artefacts import AGGREGATOR, ORACLE_WITH_CCIP, Artefact, load
from .chain import Chain

ADMIN_DELAY_S = 86_400
"""Seconds between announcing and accepting a new default admin: a day to notice a theft."""
_MAX_TIMEOUT_S = 2**24 - 1
_ENABLED = 2**32 - 1

Settings = tuple[int, int, int, int, int, int]
"""Minimum and maximum submissions, restart delay, time-out, deviation in basis points, heartbeat."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The contract a chain is to carry.

    Attributes:
        artefact: what is deployed.
        abi: its interface.
        description: what is measured.
        decimals: unit of the answers.
        bounds: smallest and largest answer.
        settings: how rounds work.
        oracle: who submits the first round.
        admin: who administers it in the end.
        router: CCIP's router, where there is one.
    """

    artefact: Artefact
    abi: Abi
    description: str
    decimals: int
    bounds: tuple[int, int]
    settings: Settings
    oracle: str
    admin: str
    router: str | None

    def constructor(self) -> bytes:
        """Encoded constructor arguments."""
        values: list[Any] = [self.description, self.decimals, list(self.bounds), self.settings, [self.oracle]]
        values += [self.admin, ADMIN_DELAY_S]
        if self.router is not None:
            values.append(self.router)
        return self.abi.constructor(*values)

    def creation(self) -> str:
        """Creation code with its arguments, `0x…`."""
        return "0x" + (self.artefact.bytecode + self.constructor()).hex()

    @property
    def ccip(self) -> str:
        """What status says about CCIP."""
        if self.router is None:
            return "not available: no router is configured"
        return f"router {self.router}; a lane is live once its manager sets it and the router knows the chain"


def wanted(fleet: Fleet, spec: ChainSpec, deployer: str) -> Wanted:
    """Return what the fleet wants on a chain.

    Raises:
        TaskFailed: CONFIGURATION, the oracle's numbers don't fit the contract.
    """
    from eth_utils.address import to_checksum_address

    oracle = fleet.contracts.oracle
    _check(
        oracle.minimum_answer <= oracle.first_answer <= oracle.maximum_answer, "first_answer is out of bounds"
    )
    _check(
        oracle.minimum_answer >= -(2**127) and oracle.maximum_answer < 2**127, "the bounds exceed 128 bits"
    )
    _check(oracle.timeout_seconds <= _MAX_TIMEOUT_S, f"timeout_seconds exceeds {_MAX_TIMEOUT_S}")
    _check(oracle.heartbeat_seconds < 2**32, "heartbeat_seconds exceeds 32 bits")
    artefact = load(AGGREGATOR if spec.ccip_router is None else ORACLE_WITH_CCIP)
    return Wanted(
        artefact=artefact,
        abi=abi_of_artefact(artefact),
        description=oracle.description,
        decimals=oracle.decimals,
        bounds=(oracle.minimum_answer, oracle.maximum_answer),
        settings=(1, 1, 0, oracle.timeout_seconds, oracle.deviation_bps, oracle.heartbeat_seconds),
        oracle=deployer,
        admin=to_checksum_address(fleet.contracts.admin or deployer),
        router=None if spec.ccip_router is None else to_checksum_address(spec.ccip_router),
    )


async def differences(chain: Chain, address: str, want: Wanted) -> list[str]:
    """Read a contract back and return what isn't as wanted, one line each; empty when all is right."""
    if not want.artefact.same_code(await chain.code(address)):
        return [f"the code at {address} is not {want.artefact.name}'s of this version"]

    async def get(function: str, *arguments: Any) -> Any:
        return (await chain.read(want.abi, address, function, *arguments))[0]

    admin = want.admin
    found: list[tuple[str, Any, Any]] = [
        ("description", await get("description"), want.description),
        ("decimals", await get("decimals"), want.decimals),
        ("minAnswer", await get("minAnswer"), want.bounds[0]),
        ("maxAnswer", await get("maxAnswer"), want.bounds[1]),
        ("defaultAdmin", (await get("defaultAdmin")).lower(), admin.lower()),
    ]
    for role in _roles(want):
        holds = await get("hasRole", await get(role), admin)
        found.append((f"{role} of the admin", holds, True))
        if want.oracle.lower() != admin.lower():
            left = await get("hasRole", await get(role), want.oracle)
            found.append((f"{role} of the deployer", left, False))
    if want.router is not None:
        found.append(("router", (await get("getRouter")).lower(), want.router.lower()))
    return [f"{name} is {is_}, not {should}" for name, is_, should in found if is_ != should]


async def current_settings(chain: Chain, address: str, want: Wanted) -> Settings:
    """How rounds opened from now on work there."""
    (settings,) = await chain.read(want.abi, address, "settings")
    return tuple(settings)


def settings_differ(current: Sequence[int], want: Wanted) -> bool:
    """Whether the fleet's share differs; how many submissions are taken is the oracles' managers' affair."""
    return tuple(current[3:]) != want.settings[3:]


async def oracle_enabled(chain: Chain, address: str, want: Wanted, account: str) -> bool:
    """Whether an account may submit."""
    (record,) = await chain.read(want.abi, address, "oracle", account)
    return bool(record[1] == _ENABLED)


def _roles(want: Wanted) -> tuple[str, ...]:
    base = ("ORACLE_MANAGER_ROLE", "PAUSER_ROLE")
    return base if want.router is None else (*base, "CCIP_MANAGER_ROLE", "SENDER_ROLE", "RETRY_ROLE")


def _check(right: bool, problem: str) -> None:  # noqa: FBT001  # an assertion with a message for the operator
    if not right:
        raise TaskFailed(
            ErrorClass.CONFIGURATION,
            f"contracts.oracle: {problem}",
            fingerprint="contracts:oracle",
            way_out="change contracts.oracle in the fleet file",
        )

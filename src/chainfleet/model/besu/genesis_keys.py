"""Which keys a genesis file may have: Besu silently ignores the others, and a typo then changes the chain.

Source: JsonGenesisConfigOptions, JsonBftConfigOptions, JsonQbftConfigOptions and GenesisConfig of Besu 26.8.
Keys are compared in lower case, as Besu compares them.
"""

# ruff: noqa: SIM905 - long lists of words read better as text
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .options import Version

_TOP = frozenset(
    "config nonce timestamp extradata gaslimit gastarget difficulty mixhash coinbase alloc parenthash number "
    "gasused basefeepergas excessblobgas blobgasused parentbeaconblockroot slotnumber".split()
)
_CONFIG = frozenset(
    "chainid homesteadblock daoforkblock eip150block eip155block eip158block byzantiumblock "
    "constantinopleblock petersburgblock constantinoplefixblock istanbulblock muirglacierblock "
    "berlinblock londonblock arrowglacierblock grayglacierblock shanghaitime cancuntime praguetime "
    "osakatime bpo1time bpo2time bpo3time bpo4time bpo5time amsterdamtime terminaltotaldifficulty "
    "contractsizelimit evmstacksize eccurve zerobasefee fixedbasefee blobschedule transitions discovery "
    "depositcontractaddress withdrawalrequestcontractaddress consolidationrequestcontractaddress qbft "
    "ibft2".split()
)
_BFT = frozenset(
    "blockperiodseconds requesttimeoutseconds epochlength blockreward miningbeneficiary messagequeuelimit "
    "duplicatemessagelimit gossipedhistorylimit futuremessageslimit futuremessagesmaxdistance "
    "xblockperiodmilliseconds".split()
)
_QBFT_ONLY = frozenset({"validatorcontractaddress", "startblock"})
_ACCOUNT = frozenset("balance nonce code storage version".split())
_TEXT = frozenset({"blockreward", "miningbeneficiary", "validatorcontractaddress"})

EMPTY_PERIOD_RENAMED: Version = (26, 5, 0)
"""First version that reads `emptyblockperiodseconds`; the wrong name is silently ignored."""
PER_TRANSACTION_GAS_LIMIT: Version = (26, 7, 0)


def empty_period_key(version: Version) -> str:
    """Return what that version calls the period of empty blocks."""
    return "emptyblockperiodseconds" if version >= EMPTY_PERIOD_RENAMED else "xemptyblockperiodseconds"


def genesis_key_problems(genesis: Mapping[str, Any], version: Version) -> tuple[str, ...]:
    """Return what that Besu version would ignore or choke on, as `place: reason` lines."""
    return tuple(_problems(genesis, version))


def _problems(genesis: Mapping[str, Any], version: Version) -> Iterator[str]:
    yield from _unknown("", genesis, _TOP)
    fields = {key.lower(): value for key, value in genesis.items()}
    yield from _unknown("config.", fields.get("config", {}), _CONFIG)
    config = {key.lower(): value for key, value in fields.get("config", {}).items()}
    for name in ("qbft", "ibft2"):
        if name in config:
            yield from _consensus(name, config[name], version)
    for address, account in fields.get("alloc", {}).items():
        yield from _unknown(f"alloc.{address}.", account, _ACCOUNT)


def _consensus(name: str, section: Mapping[str, Any], version: Version) -> Iterator[str]:
    known = _BFT | {empty_period_key(version)}
    if name == "qbft":
        known |= _QBFT_ONLY
        if version >= PER_TRANSACTION_GAS_LIMIT:
            known |= {"pertxgaslimit"}
    yield from _unknown(f"config.{name}.", section, known)
    for key, value in section.items():
        if (key.lower() in _TEXT) != isinstance(value, str):
            yield f"config.{name}.{key}: must be a {'string' if key.lower() in _TEXT else 'JSON number'}"


def _unknown(place: str, section: Mapping[str, Any], known: frozenset[str]) -> Iterator[str]:
    for key in section:
        if key.lower() not in known:
            yield f"{place}{key}: unknown key, Besu would silently ignore it"

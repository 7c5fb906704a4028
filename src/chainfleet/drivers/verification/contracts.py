"""The contracts as they lie on their chains: the code we compiled, and one round equal everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from chainfleet.drivers.besu.artefacts import outputs_or_none
from chainfleet.drivers.driver import Attempt
from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.fleet import Chain

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from chainfleet.drivers.contracts.rpc import JsonRpc

Round = tuple[int, int]
"""Number of a round, and its answer."""


async def verify_contracts(attempt: Attempt) -> dict[str, Any]:
    """Compare the contracts on every chain with what was compiled, and the rounds with each other.

    Returns:
        `contracts` (chain → address, code_equal, round_id, answer) and `round_equal`; nothing where
        the fleet declares no contracts.

    Raises:
        TaskFailed: CONFIGURATION if code or rounds differ.
    """
    if not attempt.fleet.contracts.chains:
        return {}
    found: dict[str, dict[str, Any]] = {}
    for chain in attempt.fleet.contracts.chains:
        deployed = outputs_or_none(attempt, f"contracts/deploy/{chain.name}")
        if deployed is None:
            message = f"nothing was deployed to {chain.name}"
            raise TaskFailed(ErrorClass.CONFIGURATION, message, way_out=f"run contracts/deploy/{chain.name}")
        found[chain.name] = await _look(attempt, chain, deployed)
    answers = {(entry["round_id"], entry["answer"]) for entry in found.values()}
    _refuse_differences(found, answers)
    return {"contracts": found, "round_equal": len(answers) == 1}


async def _look(attempt: Attempt, chain: Chain, deployed: Mapping[str, Any]) -> dict[str, Any]:
    from chainfleet.drivers.contracts.artefacts import load
    from chainfleet.drivers.contracts.rpc import RpcError

    address, contract = str(deployed["address"]), str(deployed["contract"])
    try:
        async with _node_of(attempt, chain) as node:
            code = str(await node.call("eth_getCode", [address, "latest"]))
            number, answer = await _first_round(attempt, chain, node, address, contract)
    except RpcError as error:
        message = f"{contract} on {chain.name} can't be read: {error}"
        raise TaskFailed(ErrorClass.CHAIN_NOT_READY, message, fingerprint="verification:contract") from error
    equal = load(contract).same_code(bytes.fromhex(code.removeprefix("0x")))
    return {"address": address, "code_equal": equal, "round_id": number, "answer": answer}


async def _first_round(attempt: Attempt, chain: Chain, node: JsonRpc, address: str, contract: str) -> Round:
    """Read back the round that the deployment wrote; later rounds of a living oracle may differ."""
    from chainfleet.drivers.contracts.abi import abi_of

    written = outputs_or_none(attempt, f"contracts/round/{chain.name}") or {}
    abi = abi_of(contract)
    function, arguments = (
        ("getRoundData", (int(written["round_id"]),)) if written else ("latestRoundData", ())
    )
    call = {"to": address, "data": abi.call(function, *arguments)}
    number, answer, *_ = abi.result(function, str(await node.call("eth_call", [call, "latest"])))
    return int(number), int(answer)


@asynccontextmanager
async def _node_of(attempt: Attempt, chain: Chain) -> AsyncIterator[JsonRpc]:
    from chainfleet.drivers.contracts.session import node_of

    node = node_of(attempt, chain)
    try:
        yield node
    finally:
        await node.close()


def _refuse_differences(found: Mapping[str, Mapping[str, Any]], answers: set[Round]) -> None:
    for chain, entry in found.items():
        if not entry["code_equal"]:
            message = f"the code at {entry['address']} on {chain} is not what was compiled"
            raise TaskFailed(
                ErrorClass.CONFIGURATION,
                message,
                way_out="somebody deployed other code there: remove its entry from contracts/addresses.json to deploy anew",
            )
    if len(answers) > 1:
        told = ", ".join(f"{chain}: round {e['round_id']} = {e['answer']}" for chain, e in found.items())
        raise TaskFailed(
            ErrorClass.CONFIGURATION,
            f"the chains tell different rounds ({told})",
            way_out="start the relayer, or wait for it: `chainfleet oracle relay FLEET --from … --to …`; then `chainfleet verify FLEET`",
        )

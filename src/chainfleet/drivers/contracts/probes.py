"""What is looked at before anything is sent: does the chain run this code, is the router a router."""

from __future__ import annotations

import secrets

from chainfleet.model.errors import ErrorClass, TaskFailed

from .abi import Abi
from .chain import MAINNET, Chain
from .feed import Wanted
from .rpc import RpcError

_CODE_SIZE_LIMIT = 24_576
"""EIP-170. Our own chain may have set a larger one; what has to go to both fits the smaller."""

_ROUTER_ABI = (
    {
        "type": "function",
        "name": "isChainSupported",
        "inputs": [{"name": "selector", "type": "uint64"}],
        "outputs": [{"name": "", "type": "bool"}],
    },
    {
        "type": "function",
        "name": "typeAndVersion",
        "inputs": [],
        "outputs": [{"name": "", "type": "string"}],
    },
)


async def check_creation(chain: Chain, want: Wanted, deployer: str) -> None:
    """Let the chain carry the deployment out without sending it, and compare the code it gives.

    A fork that lacks an opcode, a size limit and a constructor that reverts all show here, where they cost
    nothing: sent, they would burn the whole gas limit.

    Raises:
        TaskFailed: CONFIGURATION, it wouldn't work, with the reason.
    """
    size = len(want.artefact.runtime)
    if size > _CODE_SIZE_LIMIT:
        message = f"{want.artefact.name} has {size} bytes of code; chains take {_CODE_SIZE_LIMIT}"
        raise TaskFailed(
            ErrorClass.CONFIGURATION,
            message,
            fingerprint="contracts:size",
            way_out="compile it smaller: more optimiser runs make it larger",
        )
    what = f"deploying {want.artefact.name} to {chain.name}"
    code = await chain.simulate({"from": deployer, "data": want.creation()}, want.abi, what)
    if not want.artefact.same_code(bytes.fromhex(code[2:])):
        message = f"{what}: {chain.name} runs the creation code to other code than it was compiled to"
        way_out = "check that it is an Ethereum chain of the London fork or a later one"
        raise TaskFailed(ErrorClass.CONFIGURATION, message, way_out=way_out, fingerprint="chain:fork")


async def check_router(chain: Chain, want: Wanted) -> None:
    """Make sure that CCIP's router is one; on Ethereum Mainnet also that it is no mock.

    A mock knows every selector, even one that was made up this moment.

    Raises:
        TaskFailed: CONFIGURATION, it has no code, doesn't answer like a router, or is a mock on chain id 1.
    """
    router = want.router or ""
    abi = Abi(_ROUTER_ABI)
    if not await chain.code(router):
        message = f"the CCIP router {router} has no code on {chain.name}"
        raise TaskFailed(
            ErrorClass.CONFIGURATION, message, way_out="check ccip_router", fingerprint="ccip:no-code"
        )
    invented = secrets.randbits(63) | 1
    try:
        (knows_all,) = await chain.read(abi, router, "isChainSupported", invented)
    except TaskFailed as error:
        message = f"{router} on {chain.name} doesn't answer like a CCIP router ({error.message})"
        raise TaskFailed(
            ErrorClass.CONFIGURATION, message, way_out="check ccip_router", fingerprint="ccip:no-router"
        ) from error
    if chain.chain_id == MAINNET and (knows_all or not await _names_itself(chain, abi, router)):
        message = f"{router} is a mock router; it is refused on Ethereum Mainnet"
        raise TaskFailed(
            ErrorClass.CONFIGURATION, message, way_out="use CCIP's own router", fingerprint="ccip:mock"
        )


async def _names_itself(chain: Chain, abi: Abi, router: str) -> bool:
    try:
        (name,) = await chain.read(abi, router, "typeAndVersion")
    except (TaskFailed, RpcError):
        return False
    return str(name).startswith("Router ")

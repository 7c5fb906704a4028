"""net_*, web3_*, admin_*, qbft_*, txpool_*: what a node knows about itself, its peers and its consensus."""

from __future__ import annotations

from collections import Counter
from typing import Any

from chainfleet.model.besu.enode import EnodeError, parse_static_peer
from chainfleet.model.besu.hashing import keccak256
from chainfleet.model.besu.text import read_address, read_hex
from chainfleet.model.errors import InputError

from ..chain.anvil import RpcError
from .blocks import block_number
from .network import Node
from .rpc import Call, Method, invalid

Json = dict[str, Any]

SIGNER_BLOCKS = 100
"""Blocks that signer metrics look at where no range is asked for."""


def _enode(node: Node) -> str:
    return f"enode://{node.public_key}@{node.options.p2p_host}:{node.options.p2p_port}"


def _client(node: Node) -> str:
    identity = f"{node.options.identity}/" if node.options.identity else ""
    return f"besu/{identity}v{node.options.version}/linux-x86_64/openjdk-java-25"


def _sha3(call: Call) -> str:
    return "0x" + keccak256(read_hex(call.required(0), "data")).hex()


def _node_info(call: Call) -> Json:
    node, genesis = call.node, call.node.chain.genesis
    config = {k: v for k, v in genesis.raw.get("config", {}).items() if k != "qbft"}
    head = node.chain.blocks[node.head]
    return {
        "enode": _enode(node),
        "listenAddr": f"{node.options.p2p_host}:{node.options.p2p_port}",
        "ip": node.options.p2p_host,
        "name": _client(node),
        "id": node.public_key,
        "ports": {"discovery": node.options.p2p_port, "listener": node.options.p2p_port},
        "protocols": {
            "eth": {
                "config": config,
                "difficulty": head.number + 1,
                "genesis": genesis.hash,
                "head": "0x" + head.hash.hex(),
                "network": node.network_id,
            }
        },
        "activeFork": genesis.fork.capitalize(),
    }


def _peers(call: Call) -> list[Json]:
    node = call.node
    return [
        {
            "version": "0x5",
            "name": _client(peer),
            "caps": ["eth/68", "istanbul/100"],
            "network": {
                "localAddress": f"0.0.0.0:{node.options.p2p_port}",
                "remoteAddress": f"{peer.options.p2p_host}:{peer.options.p2p_port}",
                "inbound": key not in node.outbound,
            },
            "port": hex(peer.options.p2p_port),
            "id": "0x" + peer.public_key,
            "protocols": {"eth": {"difficulty": hex(peer.head + 1), "head": _head_hash(peer), "version": 68}},
            "enode": _enode(peer),
        }
        for key, peer in node.peers.items()
    ]


def _head_hash(node: Node) -> str:
    return "0x" + node.chain.blocks[node.head].hash.hex()


def _add_peer(call: Call) -> bool:
    enode = _read_enode(call)
    if enode.node_id == call.node.public_key:
        raise RpcError(-32100, "Cannot add local node as peer.")
    known = any(e.node_id == enode.node_id for e in call.node.static)
    call.world.network.dial(call.node, enode)
    return not known


def _remove_peer(call: Call) -> bool:
    enode = _read_enode(call)
    known = any(e.node_id == enode.node_id for e in call.node.static)
    call.world.network.hang_up(call.node, enode)
    return known


def _read_enode(call: Call) -> Any:
    try:
        return parse_static_peer(call.required(0))
    except EnodeError as problem:
        raise invalid(f"Invalid enode params: {problem.message}") from None


def _validators(call: Call) -> list[str]:
    number = block_number(call.node, call.required(0))
    chain = call.node.chain
    if number is None:
        raise invalid("Invalid block number params")
    if number >= chain.head.number:
        return list(chain.validators)
    return list(chain.blocks[number + 1].validators)


def _propose(call: Call) -> bool:
    try:
        address = read_address(call.required(0), "address")
    except InputError:
        raise invalid("Invalid address params") from None
    add = call.required(1)
    if not isinstance(add, bool):
        raise invalid("Invalid vote type params (missing or incorrect)")
    call.node.ballots[address] = add
    return True


def _discard(call: Call) -> bool:
    try:
        call.node.ballots.pop(read_address(call.required(0), "address"), None)
    except InputError:
        raise invalid("Invalid address params") from None
    return True


def _signers(call: Call) -> list[Json]:
    node = call.node
    blocks = node.chain.blocks
    last = block_number(node, call.param(1, "latest"))
    if last is None:
        raise invalid("Invalid block number params")
    first = block_number(node, call.param(0)) if call.params else max(0, last - SIGNER_BLOCKS + 1)
    if first is None or first > last:
        raise invalid("Invalid block number params")
    proposed = Counter(dict.fromkeys(node.chain.validators, 0))
    newest: dict[str, int] = {}
    for block in blocks[max(1, first) : last + 1]:
        proposed[block.proposer] += 1
        newest[block.proposer] = block.number
    return [
        {
            "address": address,
            "proposedBlockCount": hex(count),
            "lastProposedBlockNumber": hex(newest.get(address, 0)),
        }
        for address, count in proposed.items()
    ]


async def _content(call: Call) -> list[Json]:
    """The waiting transactions, as anvil lists them."""
    pool = await call.node.chain.evm.anvil.call("txpool_content")
    return [t for by_nonce in pool["pending"].values() for t in by_nonce.values()]


async def _pool_transactions(call: Call) -> list[Json]:
    return [
        {"hash": t["hash"], "isReceivedFromLocalSource": True, "addedToPoolAt": "1970-01-01T00:00:00Z"}
        for t in await _content(call)
    ]


async def _pool_statistics(call: Call) -> Json:
    return {"maxSize": 4096, "localCount": len(await _content(call)), "remoteCount": 0}


async def _pool_status(call: Call) -> Json:
    status = await call.node.chain.evm.anvil.call("txpool_status")
    return {"pending": status["pending"], "queued": status["queued"]}


METHODS: dict[str, Method] = {
    "net_version": lambda call: str(call.node.network_id),
    "net_listening": lambda _: True,
    "net_peerCount": lambda call: hex(len(call.node.peers)),
    "net_enode": lambda call: _enode(call.node),
    "net_services": lambda call: {
        "jsonrpc": {"host": call.node.options.rpc_host, "port": str(call.node.options.rpc_port)},
        "p2p": {"host": call.node.options.p2p_host, "port": str(call.node.options.p2p_port)},
    },
    "web3_clientVersion": lambda call: _client(call.node),
    "web3_sha3": _sha3,
    "admin_nodeInfo": _node_info,
    "admin_peers": _peers,
    "admin_addPeer": _add_peer,
    "admin_removePeer": _remove_peer,
    "qbft_getValidatorsByBlockNumber": _validators,
    "qbft_getValidatorsByBlockHash": _validators,
    "qbft_getPendingVotes": lambda call: dict(call.node.ballots),
    "qbft_proposeValidatorVote": _propose,
    "qbft_discardValidatorVote": _discard,
    "qbft_getSignerMetrics": _signers,
    "qbft_getRequestTimeoutSeconds": lambda call: call.node.chain.genesis.timeout_s,
    "txpool_besuTransactions": _pool_transactions,
    "txpool_besuPendingTransactions": _content,
    "txpool_besuStatistics": _pool_statistics,
    "txpool_status": _pool_status,
}

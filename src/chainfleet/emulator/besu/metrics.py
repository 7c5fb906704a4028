"""A node's metrics as Prometheus text, with the names of Besu 26.8 (facts: Besu §4.2)."""

from __future__ import annotations

from collections.abc import Iterator

from .network import Node

Sample = tuple[str, str, dict[str, str], float]


def text(node: Node, *, uptime_s: float, requests: int, errors: int) -> str:
    """Everything a scrape gets.

    Args:
        node: whose metrics.
        uptime_s: emulated seconds since it came up.
        requests: JSON-RPC calls answered.
        errors: those that failed.
    """
    lines = []
    seen = set()
    for name, kind, labels, value in _samples(node, uptime_s, requests, errors):
        if name not in seen:
            seen.add(name)
            lines += [f"# HELP {name} emulated", f"# TYPE {name} {kind}"]
        shown = ",".join(f'{k}="{v}"' for k, v in labels.items())
        lines.append(f"{name}{{{shown}}} {value:g}" if shown else f"{name} {value!r}")
    return "\n".join(lines) + "\n"


def _samples(node: Node, uptime_s: float, requests: int, errors: int) -> Iterator[Sample]:
    chain = node.chain
    head = chain.blocks[node.head]
    best = max((p.head for p in node.peers.values()), default=head.number)
    yield "ethereum_blockchain_height", "gauge", {}, float(head.number)
    yield "ethereum_best_known_block_number", "gauge", {}, float(max(best, head.number))
    yield "ethereum_peer_count", "gauge", {}, float(len(node.peers))
    yield "ethereum_peer_limit", "gauge", {}, float(node.options.max_peers)
    yield "ethereum_min_gas_price", "gauge", {}, float(node.options.min_gas_price)
    yield "besu_blockchain_chain_head_timestamp", "gauge", {}, float(head.timestamp)
    yield "besu_blockchain_chain_head_gas_used", "gauge", {}, float(head.content.gas_used)
    yield "besu_blockchain_chain_head_gas_limit", "gauge", {}, float(head.gas_limit)
    count = len(chain.bodies.transactions.get(head.number, ()))
    yield "besu_blockchain_chain_head_transaction_count", "gauge", {}, float(count)
    yield "besu_blockchain_difficulty", "gauge", {}, float(head.number + 1)
    yield "besu_synchronizer_in_sync", "gauge", {}, float(best - head.number <= 2)
    yield "besu_peers_connected_total", "counter", {}, float(len(node.peers))
    yield "besu_transaction_pool_transactions", "gauge", {}, 0.0
    yield "besu_rpc_active_http_connection_count", "gauge", {}, 1.0
    yield "besu_rpc_request_time_count", "counter", {}, float(requests)
    yield "besu_rpc_errors_count_total", "counter", {}, float(errors)
    yield from _messages(node, head.number)
    for area, used in (("heap", 1.4e9), ("nonheap", 1.6e8)):
        yield "jvm_memory_used_bytes", "gauge", {"area": area}, used
    for area, limit in (("heap", 4.0 * 2**30), ("nonheap", -1.0)):
        yield "jvm_memory_max_bytes", "gauge", {"area": area}, limit
    yield "process_cpu_seconds_total", "counter", {}, uptime_s * 0.2
    yield "process_release", "gauge", {"version": f"besu/v{node.options.version}"}, 1.0


def _messages(node: Node, height: int) -> Iterator[Sample]:
    """Consensus messages: one of each per peer and block, and round changes while the chain stands still."""
    name = "besu_network_p2p_messages_inbound"
    peers = len(node.peers)
    stalled = 0 if node.chain.producing else node.chain.round_of(node.since)
    for message, count in (
        ("Proposal", height),
        ("Prepare", height * peers),
        ("Commit", height * peers),
        ("RoundChange", stalled * peers),
    ):
        labels = {"protocol": "istanbul/100", "name": message, "code": "0"}
        yield f"{name}_total", "counter", labels, float(count)

"""Prometheus rules of a region, with thresholds that follow from the fleet's period, N and quorum.

A region's Prometheus sees its own validators only; what it knows of the rest of the network is how many
peers they are connected to, and that is enough to see the quorum's margin shrink from every region.
"""

from __future__ import annotations

from typing import Any

from chainfleet.model.besu.quorum import quorum_of
from chainfleet.model.fleet import Fleet

_PERIODS_UNTIL_STALLED = 12
_SLOW = 0.7
"""Share of the expected block rate below which blocks count as slow."""
_BEHIND_BLOCKS = 5


def rules(fleet: Fleet) -> dict[str, Any]:
    """Return the rule file's content: recording rules and alerts."""
    return {
        "groups": [
            {"name": "besu-recorded", "rules": _recorded()},
            {"name": "besu-chain", "rules": _chain(fleet)},
            {"name": "besu-network", "rules": _network(fleet)},
            {"name": "besu-node", "rules": _node()},
        ]
    }


def low_peers(validators: int) -> int:
    """Return the number of peers below which a validator counts as badly connected (40 of 47)."""
    return round((validators - 1) * 0.85)


def quorum_margin(validators: int) -> int:
    """Return the number of validators seen below which the margin is thin (38 where 32 is the quorum)."""
    rule = quorum_of(validators)
    return rule.quorum + -(-rule.crash * 3 // 8)


def expected_interval(fleet: Fleet) -> int:
    """Return the longest regular time between two blocks, in seconds."""
    network = fleet.network
    return network.empty_block_period_seconds or network.block_period_seconds


def _recorded() -> list[dict[str, Any]]:
    return [
        _record("besu:head_age_seconds", "time() - max(besu_blockchain_chain_head_timestamp)"),
        _record("besu:height", "max(ethereum_blockchain_height)"),
        _record("besu:block_rate", "rate(ethereum_blockchain_height[10m])"),
        _record("besu:validators_up", 'sum(up{job="besu-validator"})'),
        _record("besu:network_validators_seen", "max(ethereum_peer_count) + 1"),
        _record(
            "besu:round_change_rate",
            "sum(rate(besu_network_p2p_messages_inbound_total"
            '{protocol=~"istanbul/.*",name="RoundChange"}[5m]))',
        ),
    ]


def _chain(fleet: Fleet) -> list[dict[str, Any]]:
    interval = expected_interval(fleet)
    stalled = _PERIODS_UNTIL_STALLED * interval
    return [
        _alert(
            "BesuChainStalled",
            f"besu:head_age_seconds > {stalled}",
            "1m",
            "critical",
            f"No block for more than {stalled} s, {_PERIODS_UNTIL_STALLED} periods of {interval} s",
        ),
        _alert(
            "BesuSlowBlocks",
            f"besu:block_rate < {_SLOW} / {interval}",
            "10m",
            "warning",
            f"Blocks come at less than {_SLOW:.0%} of one per {interval} s",
        ),
        _alert(
            "BesuRoundChanges",
            "besu:round_change_rate > 0",
            "5m",
            "warning",
            "Rounds change: proposers are silent or slow, the early sign of a stall",
        ),
        _alert(
            "BesuNodeBehind",
            f"scalar(besu:height) - ethereum_blockchain_height > {_BEHIND_BLOCKS}",
            "2m",
            "warning",
            f"A validator is more than {_BEHIND_BLOCKS} blocks behind its neighbour",
        ),
    ]


def _network(fleet: Fleet) -> list[dict[str, Any]]:
    count = fleet.validator_count
    rule = quorum_of(count)
    margin = quorum_margin(count)
    return [
        _alert(
            "BesuQuorumMargin",
            f"besu:network_validators_seen < {margin}",
            "1m",
            "critical",
            f"Fewer than {margin} of {count} validators are seen; the chain stops below {rule.quorum}",
        ),
        _alert(
            "BesuLowPeers",
            f"ethereum_peer_count < {low_peers(count)}",
            "5m",
            "warning",
            f"A validator has fewer than {low_peers(count)} of {count - 1} peers",
        ),
        _alert(
            "BesuRegionDown",
            "besu:validators_up == 0 or absent(besu:validators_up)",
            "2m",
            "critical",
            "No validator of this region answers",
        ),
        _alert(
            "BesuValidatorDown",
            'up{job="besu-validator"} == 0',
            "5m",
            "warning",
            "A validator does not answer",
        ),
        _alert(
            "BesuVersionSkew",
            "count(count by (version) (process_release)) > 1",
            "1h",
            "warning",
            "Validators run different versions",
        ),
    ]


def _node() -> list[dict[str, Any]]:
    return [
        _alert(
            "BesuOutOfSync", "besu_synchronizer_in_sync == 0", "5m", "warning", "A validator is not in sync"
        ),
        _alert(
            "BesuTxPoolGrowing",
            "deriv(besu_transaction_pool_transactions[15m]) > 0"
            " and besu_transaction_pool_transactions > 5000",
            "15m",
            "warning",
            "Transactions come faster than blocks take them",
        ),
        _alert(
            "BesuHeap",
            'jvm_memory_used_bytes{area="heap"} / jvm_memory_max_bytes{area="heap"} > 0.9',
            "10m",
            "warning",
            "Heap more than 90 % full",
        ),
    ]


def _record(name: str, expression: str) -> dict[str, Any]:
    return {"record": name, "expr": expression}


def _alert(name: str, expression: str, duration: str, severity: str, summary: str) -> dict[str, Any]:
    return {
        "alert": name,
        "expr": expression,
        "for": duration,
        "labels": {"severity": severity},
        "annotations": {"summary": summary},
    }

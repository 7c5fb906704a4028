"""Rules over what validators, nodes and clusters say of themselves.

Everything is aggregated by region: the same rules hold in a region's own Prometheus and in a central one.
What a region knows of the rest of the network is how many peers its validators have; that is enough to see
the quorum's margin shrink from every region.
"""

from __future__ import annotations

from collections.abc import Iterable

from chainfleet.model.fleet import Fleet, Region

from ..conditions import OUT_OF_SYNC, peers_low
from ..thresholds import Thresholds
from .building import Alert, Record, duration, number

VALIDATORS = 'job="besu-validator"'
_ROUND_CHANGES = 'besu_network_p2p_messages_inbound_total{protocol=~"istanbul/.*",name="RoundChange"}'
_DISK = 'kubelet_volume_stats_available_bytes{namespace="besu"} / kubelet_volume_stats_capacity_bytes{namespace="besu"}'
_HEAP = 'jvm_memory_used_bytes{area="heap"} / (jvm_memory_max_bytes{area="heap"} > 0)'
_DISK_LEFT = 0.15
_HEAP_USED = 0.9
_POOL = 5000
_RESTARTS = 3
_MINUTE_S = 60.0


def region_records(fleet: Fleet, regions: Iterable[Region]) -> list[Record]:
    """Return the recording rules; `regions` are those that this Prometheus watches."""
    limits = Thresholds.of(fleet)
    window, long_window = duration(limits.window_s), duration(limits.long_window_s)
    declared = [
        Record(
            "region:validators_declared", f"vector({fleet.validators_of(region)})", {"region": region.name}
        )
        for region in regions
    ]
    return [
        *declared,
        # A region whose pods are gone has no `up` at all: it counts as zero, not as missing.
        Record(
            "region:validators_up",
            f"sum by (region) (up{{{VALIDATORS}}}) or (region:validators_declared * 0)",
        ),
        Record("region:head_timestamp_seconds", "max by (region) (besu_blockchain_chain_head_timestamp)"),
        Record("region:head_age_seconds", "time() - region:head_timestamp_seconds"),
        Record("region:height", "max by (region) (ethereum_blockchain_height)"),
        Record("region:peers_min", "min by (region) (ethereum_peer_count)"),
        Record("region:validators_seen", "max by (region) (ethereum_peer_count) + 1"),
        Record("region:quorum_margin", f"region:validators_seen - {limits.quorum}"),
        Record("region:round_change_rate", f"sum by (region) (rate({_ROUND_CHANGES}[{window}]))"),
        Record("validator:block_rate", f"deriv(ethereum_blockchain_height[{long_window}])"),
        # Against the clock of whoever scrapes: a clock that believes in itself is seen as well.
        Record("node:clock_offset_seconds", "node_time_seconds - timestamp(node_time_seconds)"),
        Record("volume:available_ratio", _DISK),
    ]


def region_alert_rules(fleet: Fleet) -> list[Alert]:
    """Return the alerts."""
    limits = Thresholds.of(fleet)
    alerts = [*_chain(limits), *_quorum(limits), *_validators(limits), *_machines(limits), *_watchers(fleet)]
    if fleet.monitoring.kube_state_image:
        alerts.append(_restarting())
    return alerts


def _chain(limits: Thresholds) -> list[Alert]:
    stalled, slow = limits.stalled_s, 0.7 / limits.interval_s
    return [
        Alert(
            "ChainStalled",
            f"region:head_age_seconds > {number(stalled)}",
            limits.scrape_s,
            "critical",
            f"{{{{ $labels.region }}}} has seen no block for more than {number(stalled)} s "
            f"(12 periods of {number(limits.interval_s)} s)",
        ),
        Alert(
            "RoundsRising",
            "region:round_change_rate > 0",
            limits.hold_s(60),
            "warning",
            "Rounds change all the time: proposers are silent or slow, the early sign of a stall",
        ),
        Alert(
            "BlocksSlow",
            f"avg by (region) (validator:block_rate) < {number(slow)}",
            limits.hold_s(60),
            "warning",
            f"Blocks come at less than 70 % of one per {number(limits.interval_s)} s",
        ),
        Alert(
            "ValidatorBehind",
            f"region:height - on (region) group_right () ethereum_blockchain_height > {limits.behind_blocks}",
            limits.hold_s(24),
            "warning",
            f"{{{{ $labels.validator }}}} of {{{{ $labels.region }}}} is more than {limits.behind_blocks} "
            "blocks behind its neighbour",
        ),
    ]


def _quorum(limits: Thresholds) -> list[Alert]:
    count, quorum = limits.validators, limits.quorum
    return [
        Alert(
            "RegionLost",
            "region:validators_up == 0 and region:validators_declared > 0",
            limits.hold_s(12),
            "critical",
            "No validator of {{ $labels.region }} answers",
        ),
        Alert(
            "QuorumThin",
            f"max(region:quorum_margin) <= {limits.thin_margin}",
            limits.hold_s(6),
            "critical",
            f"{{{{ $value }}}} of {count} validators to spare: two more regions, and no block comes",
        ),
        Alert(
            "QuorumLost",
            "max(region:quorum_margin) < 0",
            limits.hold_s(3),
            "critical",
            f"Fewer than {quorum} of {count} validators see each other: no block comes",
        ),
    ]


def _validators(limits: Thresholds) -> list[Alert]:
    who = "{{ $labels.validator }} of {{ $labels.region }}"
    return [
        Alert(
            "ValidatorDown",
            f"up{{{VALIDATORS}}} == 0",
            limits.hold_s(24),
            "warning",
            f"{who} does not answer",
        ),
        Alert(
            "PeersLow",
            peers_low(limits).expression,
            limits.hold_s(60),
            "warning",
            f"{who} has {{{{ $value }}}} of {limits.validators - 1} peers",
        ),
        Alert(
            "OutOfSync",
            OUT_OF_SYNC.expression,
            limits.hold_s(60),
            "warning",
            f"{who} is not in sync",
        ),
        Alert(
            "VersionsDiffer",
            "count(count by (version) (process_release)) > 1",
            60 * _MINUTE_S,
            "warning",
            "Validators run {{ $value }} different versions",
        ),
        Alert(
            "TransactionsPileUp",
            f"besu_transaction_pool_transactions > {_POOL} "
            f"and deriv(besu_transaction_pool_transactions[{duration(limits.long_window_s)}]) > 0",
            limits.hold_s(120),
            "warning",
            f"{{{{ $value }}}} transactions wait at {who}, and more come than blocks take",
        ),
    ]


def _machines(limits: Thresholds) -> list[Alert]:
    who, skew = "{{ $labels.validator }} of {{ $labels.region }}", number(limits.clock_skew_s)
    return [
        Alert(
            "HeapFull",
            f"{_HEAP} > {_HEAP_USED}",
            10 * _MINUTE_S,
            "warning",
            f"{who}: heap more than 90 % full",
        ),
        Alert(
            "DiskFull",
            f"volume:available_ratio < {_DISK_LEFT}",
            10 * _MINUTE_S,
            "critical",
            "{{ $labels.persistentvolumeclaim }} of {{ $labels.region }} has less than 15 % left",
        ),
        Alert(
            "ClockSkewed",
            f"abs(node:clock_offset_seconds) > {skew}",
            limits.hold_s(6),
            "critical",
            "The clock of {{ $labels.node }} is off by {{ $value }} s; "
            "beyond 1 s its validators' proposals are refused",
        ),
        Alert(
            "ClockUnsynchronised",
            "node_timex_sync_status == 0",
            15 * _MINUTE_S,
            "warning",
            "The clock of {{ $labels.node }} is not synchronised",
        ),
    ]


def _restarting() -> Alert:
    return Alert(
        "ValidatorRestarting",
        f'increase(kube_pod_container_status_restarts_total{{namespace="besu"}}[15m]) >= {_RESTARTS}',
        0,
        "warning",
        "{{ $labels.pod }} of {{ $labels.region }} restarts again and again",
    )


def _watchers(fleet: Fleet) -> list[Alert]:
    """Who watches the watchers: what isn't delivered would never be heard."""
    limits = Thresholds.of(fleet)
    window = duration(max(5 * _MINUTE_S, 4 * limits.scrape_s))
    alerts = [
        Alert("Watchdog", "vector(1)", 0, "none", "Always fires: if it doesn't arrive, alerts don't"),
    ]
    if fleet.monitoring.collector == "prometheus" and fleet.monitoring.alert_webhook:
        alerts.append(
            Alert(
                "AlertsUndelivered",
                f"rate(prometheus_notifications_dropped_total[{window}]) > 0",
                5 * _MINUTE_S,
                "critical",
                "Alerts of {{ $labels.region }} do not reach Alertmanager",
            )
        )
    if fleet.monitoring.remote_write is not None:
        alerts.append(
            Alert(
                "RemoteWriteFailing",
                f"rate(prometheus_remote_storage_samples_failed_total[{window}]) > 0 "
                f"or rate(prometheus_remote_storage_samples_retried_total[{window}]) > 0",
                10 * _MINUTE_S,
                "warning",
                "Samples of {{ $labels.region }} do not reach the central Prometheus",
            )
        )
    return alerts

"""For every alert: what the series look like when all is well, and what makes it fire.

A step is 15 s. The first 40 steps (10 minutes) are healthy, then what is wrong begins.
"""

from __future__ import annotations

from dataclasses import dataclass, field

STEP_S = 15
HEALTHY = 40
SICK = 280
T0_S = HEALTHY * STEP_S

WHO = 'region="northeurope",validator="validator-0",job="besu-validator"'
OTHER = 'region="northeurope",validator="validator-1",job="besu-validator"'
EXPORTED = 'region="northeurope",validator="validator-0"'
RUN = 'fleet="chain-138",run="r1"'


def steady(value, slope=0.0):
    """One value all the time, or rising by `slope` a step."""
    return f"{value}+{slope}x{HEALTHY + SICK}"


def then(value, slope, sick, sick_slope=0.0):
    """Healthy for ten minutes, then something else."""
    return f"{value}+{slope}x{HEALTHY} {sick}+{sick_slope}x{SICK}"


def gone(value, slope=0.0):
    """Healthy for ten minutes, then no longer there."""
    return f"{value}+{slope}x{HEALTHY} stale"


def _both(name, values, extra=""):
    return {f"{name}{{{who}{extra}}}": values for who in (WHO, OTHER)}


def _round_changes(values):
    return _both(
        "besu_network_p2p_messages_inbound_total", values, ',protocol="istanbul/100",name="RoundChange"'
    )


BASE = {
    **_both("up", steady(1)),
    **_both("besu_blockchain_chain_head_timestamp", steady(0, STEP_S)),
    **_both("ethereum_blockchain_height", steady(0, 3)),
    **_both("ethereum_peer_count", steady(47)),
    **_both("besu_synchronizer_in_sync", steady(1)),
    **_both("process_release", steady(1), ',version="besu/v26.8.0"'),
    **_both("besu_transaction_pool_transactions", steady(3)),
    **_both("jvm_memory_used_bytes", steady(1e9), ',area="heap"'),
    **_both("jvm_memory_max_bytes", steady(4e9), ',area="heap"'),
    **_round_changes(steady(5)),
    'kubelet_volume_stats_available_bytes{namespace="besu",region="northeurope",persistentvolumeclaim="d"}': steady(
        80
    ),
    'kubelet_volume_stats_capacity_bytes{namespace="besu",region="northeurope",persistentvolumeclaim="d"}': steady(
        100
    ),
    'node_time_seconds{region="northeurope",node="n0"}': steady(0.1, STEP_S),
    'node_timex_sync_status{region="northeurope",node="n0"}': steady(1),
    'kube_pod_container_status_restarts_total{namespace="besu",region="northeurope",pod="validator-0-0"}': steady(
        2
    ),
    'prometheus_notifications_dropped_total{region="northeurope"}': steady(0),
    'prometheus_remote_storage_samples_failed_total{region="northeurope"}': steady(0),
    'prometheus_remote_storage_samples_retried_total{region="northeurope"}': steady(0),
    "chainfleet_chain_head": steady(100, 3),
    "chainfleet_chain_head_timestamp_seconds": steady(0, STEP_S),
    "chainfleet_chain_head_ahead_seconds": steady(0),
    'chainfleet_chain_blocks_total{round="0"}': steady(0, 3),
    'chainfleet_chain_blocks_total{round="1"}': steady(0),
    "chainfleet_chain_block_interval_seconds_sum": steady(0, 15),
    "chainfleet_chain_block_interval_seconds_count": steady(0, 3),
    f"chainfleet_validator_seen_block{{{EXPORTED}}}": steady(98, 3),
    'chainfleet_region_validators_up{region="northeurope"}': steady(2),
    'chainfleet_region_validators{region="northeurope"}': steady(2),
    "chainfleet_network_quorum_margin_regions": steady(8),
    "chainfleet_network_quorum_margin": steady(16),
    "chainfleet_network_validator_sets": steady(1),
    f'chainfleet_validator_problem{{{EXPORTED},problem="wrong-genesis"}}': steady(0),
    f'chainfleet_validator_problem{{{EXPORTED},problem="implausible-head"}}': steady(0),
    f'chainfleet_validator_problem{{{EXPORTED},problem="wrong-validators"}}': steady(0),
    'chainfleet_oracle_updated_timestamp_seconds{chain="mainnet"}': steady(0, STEP_S),
    'chainfleet_oracle_up{chain="mainnet"}': steady(1),
    'chainfleet_oracle_deviation_ratio{chain="chain-138"}': steady(0.004),
    'chainfleet_oracle_lag_rounds{chain="chain-138"}': steady(1),
    'chainfleet_ccip_failed_messages{chain="mainnet"}': steady(0),
    'chainfleet_certificate_expiry_timestamp_seconds{region="northeurope",subject="api-server"}': steady(9e6),
    "chainfleet_exporter_collected_timestamp_seconds": steady(0, STEP_S),
    f'chainfleet_run_tasks{{{RUN},state="failed"}}': steady(0),
    f'chainfleet_run_throttled_calls_total{{{RUN},limit="azure/write"}}': steady(0),
    f"chainfleet_run_finished{{{RUN}}}": steady(0),
    f"chainfleet_run_last_event_timestamp_seconds{{{RUN}}}": steady(0, STEP_S),
    f"chainfleet_run_ledger_lag_seconds{{{RUN}}}": steady(0.01),
}


@dataclass(frozen=True)
class Scenario:
    """What makes an alert fire.

    Attributes:
        sick: series that differ from the healthy ones; None leaves one out.
        within_s: seconds after it began within which the alert fires.
        not_before_s: seconds for which it doesn't fire yet.
        firing: how many alerts of the name fire.
    """

    sick: dict[str, str | None]
    within_s: float
    not_before_s: float = STEP_S
    firing: int = 1
    also: frozenset[str] = field(default_factory=frozenset)


def _at(name, labels, values):
    return {f"{name}{{{labels}}}": values}


HEIGHT_STOPS = then(0, 3, 120)
DISK = 'namespace="besu",region="northeurope",persistentvolumeclaim="d"'

SCENARIOS = {
    "ChainStalled": Scenario(_both("besu_blockchain_chain_head_timestamp", then(0, STEP_S, T0_S)), 120, 60),
    "RoundsRising": Scenario(_round_changes(then(5, 0, 6, 1)), 480, 240),
    "BlocksSlow": Scenario(_both("ethereum_blockchain_height", then(0, 3, 120, 1)), 1500, 300),
    "ValidatorBehind": Scenario(_at("ethereum_blockchain_height", OTHER, HEIGHT_STOPS), 240, 120),
    "RegionLost": Scenario(_both("up", then(1, 0, 0)), 120, 45),
    "QuorumThin": Scenario(_both("ethereum_peer_count", then(47, 0, 35)), 90),
    "QuorumLost": Scenario(_both("ethereum_peer_count", then(47, 0, 30)), 90),
    "ValidatorDown": Scenario(_at("up", WHO, then(1, 0, 0)), 180, 90),
    "PeersLow": Scenario(_at("ethereum_peer_count", WHO, then(47, 0, 39)), 390, 270),
    "OutOfSync": Scenario(_at("besu_synchronizer_in_sync", WHO, then(1, 0, 0)), 390, 270),
    "VersionsDiffer": Scenario(
        {
            f'process_release{{{WHO},version="besu/v26.8.0"}}': gone(1),
            f'process_release{{{WHO},version="besu/v26.9.0"}}': f"_x{HEALTHY} 1+0x{SICK}",
        },
        3690,
        3400,
    ),
    "TransactionsPileUp": Scenario(
        _at("besu_transaction_pool_transactions", WHO, then(3, 0, 6000, 10)), 1500, 500
    ),
    "HeapFull": Scenario(_at("jvm_memory_used_bytes", WHO + ',area="heap"', then(1e9, 0, 3.9e9)), 690, 570),
    "DiskFull": Scenario(_at("kubelet_volume_stats_available_bytes", DISK, then(80, 0, 14)), 690, 570),
    "ClockSkewed": Scenario(
        _at("node_time_seconds", 'region="northeurope",node="n0"', then(0.1, STEP_S, T0_S + 2, STEP_S)), 120
    ),
    "ClockUnsynchronised": Scenario(
        _at("node_timex_sync_status", 'region="northeurope",node="n0"', then(1, 0, 0)), 990, 870
    ),
    "ValidatorRestarting": Scenario(
        _at(
            "kube_pod_container_status_restarts_total",
            'namespace="besu",region="northeurope",pod="validator-0-0"',
            then(2, 0, 2, 0.2),
        ),
        900,
        100,
    ),
    "AlertsUndelivered": Scenario(
        _at("prometheus_notifications_dropped_total", 'region="northeurope"', then(0, 0, 1, 1)), 420, 200
    ),
    "RemoteWriteFailing": Scenario(
        _at("prometheus_remote_storage_samples_failed_total", 'region="northeurope"', then(0, 0, 1, 9)),
        720,
        500,
    ),
    "NetworkStalled": Scenario({"chainfleet_chain_head_timestamp_seconds": then(0, STEP_S, T0_S)}, 120, 60),
    "NetworkRoundsRising": Scenario({'chainfleet_chain_blocks_total{round="1"}': then(0, 0, 0.5, 0.5)}, 480),
    "HeadFromTheFuture": Scenario({"chainfleet_chain_head_ahead_seconds": then(0, 0, 0.8)}, 90),
    "RegionSilent": Scenario(
        {'chainfleet_region_validators_up{region="northeurope"}': then(2, 0, 0)}, 120, 45
    ),
    "NetworkQuorumThin": Scenario({"chainfleet_network_quorum_margin_regions": then(8, 0, 2)}, 90),
    "NetworkQuorumLost": Scenario({"chainfleet_network_quorum_margin": then(16, 0, -1)}, 90),
    "ValidatorSilent": Scenario(
        {f"chainfleet_validator_seen_block{{{EXPORTED}}}": then(98, 3, 218)}, 660, 450
    ),
    "WrongGenesis": Scenario(
        {f'chainfleet_validator_problem{{{EXPORTED},problem="wrong-genesis"}}': then(0, 0, 1)}, 60, 0
    ),
    "HeadImplausible": Scenario(
        {f'chainfleet_validator_problem{{{EXPORTED},problem="implausible-head"}}': then(0, 0, 1)}, 90
    ),
    "ValidatorSetsDiffer": Scenario({"chainfleet_network_validator_sets": then(1, 0, 2)}, 180, 90),
    "OracleStale": Scenario(
        {'chainfleet_oracle_updated_timestamp_seconds{chain="mainnet"}': then(0, STEP_S, T0_S)}, 4290, 4200
    ),
    "OracleUnreadable": Scenario({'chainfleet_oracle_up{chain="mainnet"}': then(1, 0, 0)}, 180, 90),
    "OraclesDeviate": Scenario(
        {'chainfleet_oracle_deviation_ratio{chain="chain-138"}': then(0.004, 0, 0.02)}, 660, 570
    ),
    "RelayBehind": Scenario({'chainfleet_oracle_lag_rounds{chain="chain-138"}': then(1, 0, 3)}, 660, 570),
    "CcipFailed": Scenario({'chainfleet_ccip_failed_messages{chain="mainnet"}': then(0, 0, 1)}, 120, 45),
    "CredentialsExpire": Scenario(
        {
            'chainfleet_certificate_expiry_timestamp_seconds{region="northeurope",subject="api-server"}': then(
                9e6, 0, 1.2e6
            )
        },
        30,
        0,
    ),
    "ExporterSilent": Scenario({"chainfleet_exporter_collected_timestamp_seconds": gone(0, STEP_S)}, 420, 45),
    "DeploymentFailing": Scenario({f'chainfleet_run_tasks{{{RUN},state="failed"}}': then(0, 0, 1)}, 30, 0),
    "DeploymentThrottled": Scenario(
        {f'chainfleet_run_throttled_calls_total{{{RUN},limit="azure/write"}}': then(0, 0, 30, 30)}, 700, 200
    ),
    "DeploymentStuck": Scenario(
        {f"chainfleet_run_last_event_timestamp_seconds{{{RUN}}}": then(0, STEP_S, T0_S)}, 1830, 1770
    ),
    "LedgerSlow": Scenario({f"chainfleet_run_ledger_lag_seconds{{{RUN}}}": then(0.01, 0, 2)}, 90, 45),
}
"""Of every alert but the watchdog, which always fires."""

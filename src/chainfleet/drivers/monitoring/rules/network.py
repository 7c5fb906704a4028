"""Rules over what the chain exporter sees: the network as a whole, and the oracle on every chain."""

from __future__ import annotations

from chainfleet.model.fleet import Fleet

from ..thresholds import Thresholds
from .building import Alert, Record, duration, number

_DAY_S = 86_400
_CERTIFICATE_DAYS = 14


def network_records(fleet: Fleet) -> list[Record]:
    """Return the recording rules."""
    limits = Thresholds.of(fleet)
    window = duration(limits.long_window_s)
    blocks = "chainfleet_chain_blocks_total"
    return [
        Record("network:head_age_seconds", "time() - max(chainfleet_chain_head_timestamp_seconds)"),
        Record(
            "network:late_block_share",
            f'sum(increase({blocks}{{round!="0"}}[{window}])) / (sum(increase({blocks}[{window}])) > 0)',
        ),
        Record(
            "network:block_interval_seconds",
            f"rate(chainfleet_chain_block_interval_seconds_sum[{window}])"
            f" / (rate(chainfleet_chain_block_interval_seconds_count[{window}]) > 0)",
        ),
        Record(
            "validator:unseen_blocks",
            "scalar(max(chainfleet_chain_head)) - max by (region, validator) (chainfleet_validator_seen_block)",
        ),
        Record("oracle:age_seconds", "time() - max by (chain) (chainfleet_oracle_updated_timestamp_seconds)"),
    ]


def network_alert_rules(fleet: Fleet) -> list[Alert]:
    """Return the alerts."""
    limits = Thresholds.of(fleet)
    return [*_chain(limits), *_quorum(limits), *_truth(limits), *_oracle(fleet, limits), *_upkeep(limits)]


def _chain(limits: Thresholds) -> list[Alert]:
    stalled = number(limits.stalled_s)
    share = limits.late_share
    return [
        Alert(
            "NetworkStalled",
            f"network:head_age_seconds > {stalled}",
            limits.scrape_s,
            "critical",
            f"No block for more than {stalled} s (12 periods of {number(limits.interval_s)} s)",
        ),
        Alert(
            "NetworkRoundsRising",
            f"network:late_block_share > {number(share)}",
            limits.hold_s(12),
            "warning",
            f"More than {share:.1%} of the blocks need more than one round: more than two lost regions explain",
        ),
        Alert(
            "HeadFromTheFuture",
            f"chainfleet_chain_head_ahead_seconds > {number(limits.clock_skew_s)}",
            limits.hold_s(6),
            "warning",
            "The newest block's timestamp lies {{ $value }} s ahead: a proposer's clock, or the exporter's, is wrong",
        ),
    ]


def _quorum(limits: Thresholds) -> list[Alert]:
    return [
        Alert(
            "RegionSilent",
            "chainfleet_region_validators_up == 0 and chainfleet_region_validators > 0",
            limits.hold_s(12),
            "critical",
            "No validator of {{ $labels.region }} answers the exporter",
        ),
        Alert(
            "NetworkQuorumThin",
            "chainfleet_network_quorum_margin_regions <= 2",
            limits.hold_s(6),
            "critical",
            "{{ $value }} more regions may fall silent before no block comes",
        ),
        Alert(
            "NetworkQuorumLost",
            "chainfleet_network_quorum_margin < 0",
            limits.hold_s(3),
            "critical",
            "Fewer validators of the chain's own set answer than its quorum takes ({{ $value }}): no block comes",
        ),
        Alert(
            "ValidatorSilent",
            f"validator:unseen_blocks > {limits.silent_blocks}",
            limits.hold_s(12),
            "warning",
            "{{ $labels.validator }} of {{ $labels.region }} has neither proposed nor sealed any of the last "
            "{{ $value }} blocks",
        ),
    ]


def _truth(limits: Thresholds) -> list[Alert]:
    who = "{{ $labels.validator }} of {{ $labels.region }}"
    return [
        Alert(
            "WrongGenesis",
            'chainfleet_validator_problem{problem=~"wrong-genesis|wrong-chain"} == 1',
            limits.scrape_s,
            "critical",
            f"{who} is on another chain",
        ),
        Alert(
            "HeadImplausible",
            'chainfleet_validator_problem{problem=~"implausible-head|bad-answer"} == 1',
            limits.hold_s(6),
            "warning",
            f"{who} tells what it can't prove",
        ),
        Alert(
            "ValidatorSetsDiffer",
            'chainfleet_network_validator_sets > 1 or max(chainfleet_validator_problem{problem="wrong-validators"}) == 1',
            limits.hold_s(24),
            "critical",
            "Validators disagree about who validates, or leave some of ours out",
        ),
    ]


def _oracle(fleet: Fleet, limits: Thresholds) -> list[Alert]:
    if not fleet.contracts.chains:
        return []
    stale, deviates = limits.oracle_stale_s, limits.oracle_deviates
    return [
        Alert(
            "OracleStale",
            f"oracle:age_seconds > {number(stale)}",
            limits.hold_s(3),
            "critical",
            f"The feed on {{{{ $labels.chain }}}} is older than {number(stale)} s: its heartbeat and a round's time-out",
        ),
        Alert(
            "OracleUnreadable",
            "chainfleet_oracle_up == 0",
            limits.hold_s(24),
            "warning",
            "The feed on {{ $labels.chain }} can't be read",
        ),
        Alert(
            "OraclesDeviate",
            f"chainfleet_oracle_deviation_ratio > {number(deviates)}",
            limits.oracle_timeout_s,
            "warning",
            f"The feed on {{{{ $labels.chain }}}} differs by more than {deviates:.2%} from the first chain's",
        ),
        Alert(
            "RelayBehind",
            "chainfleet_oracle_lag_rounds > 2",
            limits.oracle_timeout_s,
            "warning",
            "{{ $labels.chain }} is {{ $value }} rounds behind: the relayer stands still",
        ),
        Alert(
            "CcipFailed",
            "chainfleet_ccip_failed_messages > 0",
            limits.hold_s(12),
            "warning",
            "{{ $value }} CCIP messages failed on {{ $labels.chain }} and wait to be retried",
        ),
    ]


def _upkeep(limits: Thresholds) -> list[Alert]:
    return [
        Alert(
            "CredentialsExpire",
            f"chainfleet_certificate_expiry_timestamp_seconds - time() < {_CERTIFICATE_DAYS * _DAY_S}",
            0,
            "warning",
            "{{ $labels.subject }} of {{ $labels.region }} runs out in {{ $value | humanizeDuration }}",
        ),
        Alert(
            "ExporterSilent",
            "absent(chainfleet_exporter_collected_timestamp_seconds)"
            f" or time() - chainfleet_exporter_collected_timestamp_seconds > {number(limits.hold_s(24))}",
            limits.hold_s(12),
            "critical",
            "The chain exporter sees nothing: alerts on the network as a whole are blind",
        ),
    ]

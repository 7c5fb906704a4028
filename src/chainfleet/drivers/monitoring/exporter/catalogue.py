"""Every metric of the chain exporter: the code, the rules, the dashboards and the reference page agree on it."""

from __future__ import annotations

from chainfleet.model.metric import Metric

PROBLEMS = (
    "unreachable",
    "bad-answer",
    "wrong-chain",
    "wrong-genesis",
    "implausible-head",
    "wrong-validators",
)
"""What can be wrong with one validator; the only values of label `problem`."""
ROUNDS = ("0", "1", "2", "3+")
"""Values of label `round`."""
CCIP_RESULTS = ("sent", "received", "failed", "retried", "discarded", "rejected")
"""Values of label `result` of CCIP messages."""


_PER_VALIDATOR = ("region", "validator")


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(f"chainfleet_{name}", "gauge", text, labels)


def _counter(name: str, text: str, *labels: str) -> Metric:
    return Metric(f"chainfleet_{name}_total", "counter", text, labels)


CHAIN_METRICS: tuple[Metric, ...] = (
    _gauge("validator_up", "Whether the validator answers JSON-RPC", *_PER_VALIDATOR),
    _gauge("validator_problem", "1 for what is wrong with the validator", *_PER_VALIDATOR, "problem"),
    _gauge("validator_info", "Always 1; what the validator is", *_PER_VALIDATOR, "address", "version"),
    _gauge("validator_head", "Number of the newest block that the validator tells", *_PER_VALIDATOR),
    _gauge("validator_peers", "Peers of the validator", *_PER_VALIDATOR),
    _counter("validator_proposed_blocks", "Blocks that the validator proposed", *_PER_VALIDATOR),
    _counter("validator_missed_proposals", "Turns to propose that passed without a block", *_PER_VALIDATOR),
    _counter("validator_seals", "Blocks that carry the validator's seal", *_PER_VALIDATOR),
    _gauge("validator_seen_block", "Newest block that the validator proposed or sealed", *_PER_VALIDATOR),
    _gauge("region_validators", "Validators that the fleet declares for the region", "region"),
    _gauge("region_validators_up", "Of these, how many answer", "region"),
    _gauge("network_validators", "Validators that the fleet declares"),
    _gauge("network_validators_up", "Of these, how many answer and are on this chain"),
    _gauge("network_validators_voting", "Of those that are up, how many are in the chain's own set"),
    _gauge("network_set_size", "Validators in the chain's own set (N), by which quorum and margin go"),
    _gauge(
        "network_set_source",
        "1 for where the set is known from: the newest proven block, the last one, or only the fleet",
        "source",
    ),
    _gauge("network_quorum", "Validators of the set that must agree on a block"),
    _gauge("network_quorum_margin", "Voting validators that may still fall silent; below 0 no block comes"),
    _gauge("network_quorum_margin_regions", "Regions that may still fall silent, the largest first"),
    _gauge("network_genesis_hashes", "Different blocks 0 among the validators that answer"),
    _gauge("network_validator_sets", "Different validator sets in the newest blocks told"),
    _gauge("chain_head", "Number of the newest block that a quorum is proven to have sealed"),
    _gauge("chain_head_timestamp_seconds", "Its timestamp, in seconds since 1970"),
    _gauge("chain_head_ahead_seconds", "How far its timestamp lies ahead of the exporter's clock"),
    _gauge("chain_round", "Round that sealed it"),
    _gauge("chain_seals", "Seals that it carries; a quorum is enough, so more are rare"),
    _gauge("chain_gas_used_ratio", "Share of its gas limit that it uses"),
    _gauge("chain_head_spread_blocks", "Blocks between the highest and the lowest head told"),
    _counter("chain_blocks", "Blocks read, by the round that sealed them", "round"),
    _counter("chain_blocks_skipped", "Blocks left out because the exporter was too far behind"),
    Metric(
        "chainfleet_chain_block_interval_seconds", "histogram", "Seconds between timestamps of blocks read"
    ),
    _gauge("oracle_up", "Whether the feed could be read", "chain"),
    _gauge("oracle_answer", "The feed's latest answer, in its unit", "chain"),
    _gauge("oracle_round", "Number of the feed's latest answered round", "chain"),
    _gauge("oracle_updated_timestamp_seconds", "When that round was answered, by the chain's clock", "chain"),
    _gauge("oracle_heartbeat_seconds", "Seconds after which the feed promises a new round", "chain"),
    _gauge("oracle_deviation_ratio", "How far its answer is from the first chain's", "chain"),
    _gauge("oracle_lag_rounds", "Rounds behind the chain that is furthest", "chain"),
    _counter("ccip_messages", "CCIP messages of the feed by what became of them", "chain", "result"),
    _gauge(
        "ccip_failed_messages", "CCIP messages that failed and were neither retried nor discarded", "chain"
    ),
    _gauge("certificate_expiry_timestamp_seconds", "When it runs out", "region", "subject"),
    _gauge("exporter_collected_timestamp_seconds", "When the exporter last looked at the network"),
    _gauge("exporter_collection_duration_seconds", "How long that took"),
    _counter("exporter_collections", "Collections by how they ended", "result"),
)
"""All of them. Label sets are bounded by the fleet: nothing that a node answers makes a new series but
`version`, of which each validator has one, of at most 32 characters."""

BY_NAME = {metric.name: metric for metric in CHAIN_METRICS}

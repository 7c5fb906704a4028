"""The five dashboards. What an operator must know first stands at the top left."""

from __future__ import annotations

from chainfleet.model.fleet import Fleet

from ..thresholds import Thresholds
from .oracle_and_deployment import deployment_board, oracle_board
from .panels import BAD, GOOD, WARN, Board, Json, Panel, Query, Variable, dashboard

_REGION = Variable("region", "region:validators_declared", "region")
_VALIDATOR = Variable("validator", "ethereum_blockchain_height", "validator", 'region=~"$region"')
_HERE = 'region=~"$region"'
_ONE = 'region=~"$region",validator=~"$validator"'
_ALERTS = 'sum by (alertname, severity, region) (ALERTS{alertstate="firing",severity=~"critical|warning"}) or vector(0)'


def region_dashboards(fleet: Fleet) -> dict[str, Json]:
    """Return the dashboards that a region's own Prometheus can fill, by name."""
    limits = Thresholds.of(fleet)
    return _written(fleet, {"region": _region_board(limits), "validator": _validator_board(limits)})


def central_dashboards(fleet: Fleet) -> dict[str, Json]:
    """Return all dashboards, by name."""
    limits = Thresholds.of(fleet)
    boards = {
        "network": _network_board(limits),
        "oracle": oracle_board(limits),
        "deployment": deployment_board(),
    }
    return _written(fleet, boards) | region_dashboards(fleet)


def _written(fleet: Fleet, boards: dict[str, Board]) -> dict[str, Json]:
    refresh = max(5, fleet.monitoring.scrape_interval_seconds)
    return {name: dashboard(board, refresh) for name, board in boards.items()}


def _network_board(limits: Thresholds) -> Board:
    return Board(
        "chainfleet-network",
        "Network",
        f"{limits.validators} validators, quorum {limits.quorum}; seen by the chain exporter",
        (
            Panel(
                "Age of the newest block",
                (Query("network:head_age_seconds"),),
                "stat",
                "s",
                ((None, GOOD), (limits.stalled_s / 2, WARN), (limits.stalled_s, BAD)),
                f"Blocks come every {limits.interval_s:g} s; the chain counts as stalled at {limits.stalled_s:g} s",
                width=5,
                height=5,
            ),
            Panel(
                "Regions that may still fall silent",
                (Query("chainfleet_network_quorum_margin_regions"),),
                "stat",
                steps=((None, BAD), (1, WARN), (3, GOOD)),
                description="The largest first. At 0 the loss of one more region stops the chain",
                width=5,
                height=5,
            ),
            Panel(
                "Validators that may still fall silent",
                (Query("chainfleet_network_quorum_margin"),),
                "stat",
                steps=((None, BAD), (0, WARN), (limits.thin_margin + 1, GOOD)),
                description=f"Of the chain's own set; the fleet declares {limits.validators}. Below 0 no block comes",
                width=4,
                height=5,
            ),
            Panel(
                "Blocks beyond round 0",
                (Query("network:late_block_share"),),
                "stat",
                "percentunit",
                ((None, GOOD), (limits.late_share / 2, WARN), (limits.late_share, BAD)),
                "Each is a proposer whose turn passed; rising is the early sign of a stall",
                width=5,
                height=5,
                decimals=1,
            ),
            Panel(
                "Different blocks 0",
                (Query("chainfleet_network_genesis_hashes"),),
                "stat",
                steps=((None, GOOD), (2, BAD)),
                width=5,
                height=5,
            ),
            Panel("Height", (Query("chainfleet_chain_head", "head"),), decimals=0),
            Panel("Seconds per block", (Query("network:block_interval_seconds", "mean"),), unit="s"),
            Panel(
                "Quorum margin, validators",
                (
                    Query("chainfleet_network_quorum_margin", "to spare"),
                    Query("chainfleet_network_set_size - chainfleet_network_quorum", "all up"),
                ),
                description="Below 0 no block comes",
                decimals=0,
            ),
            Panel(
                "Blocks by round",
                (Query("sum by (round) (rate(chainfleet_chain_blocks_total[5m]))", "round {{round}}"),),
            ),
            Panel(
                "Validators up by region",
                (Query("sum by (region) (chainfleet_region_validators_up)", "{{region}}"),),
                "statetimeline",
                steps=((None, BAD), (1, WARN), (limits.largest_region, GOOD)),
                width=24,
                height=14,
            ),
            Panel(
                "Blocks since a validator was last seen",
                (Query("topk(10, validator:unseen_blocks)", "{{region}} {{validator}}"),),
                description=f"Neither proposed nor sealed; silent beyond {limits.silent_blocks}",
            ),
            Panel(
                "Turns to propose that passed",
                (
                    Query(
                        "topk(10, increase(chainfleet_validator_missed_proposals_total[1h]))",
                        "{{region}} {{validator}}",
                    ),
                ),
            ),
            Panel(
                "What is wrong with validators",
                (Query("sum by (problem) (chainfleet_validator_problem)", "{{problem}}"),),
                decimals=0,
            ),
            Panel(
                "Clock error of nodes",
                (Query("topk(10, abs(node:clock_offset_seconds))", "{{region}} {{node}}"),),
                unit="s",
                description="Proposals from a clock more than 1 s ahead are refused",
            ),
            Panel("Alerts", (Query(_ALERTS),), "table", width=24),
        ),
    )


def _region_board(limits: Thresholds) -> Board:
    return Board(
        "chainfleet-region",
        "Region",
        "A region's validators, nodes and disks, as they tell of themselves",
        (
            Panel(
                "Validators up",
                (Query(f"region:validators_up{{{_HERE}}}", "{{region}}"),),
                "stat",
                steps=((None, BAD), (1, WARN), (limits.largest_region, GOOD)),
                width=8,
                height=5,
            ),
            Panel(
                "Age of the newest block",
                (Query(f"region:head_age_seconds{{{_HERE}}}", "{{region}}"),),
                "stat",
                "s",
                ((None, GOOD), (limits.stalled_s / 2, WARN), (limits.stalled_s, BAD)),
                width=8,
                height=5,
            ),
            Panel(
                f"Fewest peers of {limits.validators - 1}",
                (Query(f"region:peers_min{{{_HERE}}}", "{{region}}"),),
                "stat",
                steps=((None, BAD), (limits.quorum - 1, WARN), (limits.low_peers, GOOD)),
                width=8,
                height=5,
            ),
            Panel("Height", (Query(f"region:height{{{_HERE}}}", "{{region}}"),), decimals=0),
            Panel(
                "Round changes per second",
                (Query(f"region:round_change_rate{{{_HERE}}}", "{{region}}"),),
                description="Any at all is the early sign of a stall",
            ),
            Panel(
                "Peers",
                (Query(f"ethereum_peer_count{{{_HERE}}}", "{{region}} {{validator}}"),),
                decimals=0,
            ),
            Panel(
                "Validators seen beyond the quorum",
                (Query(f"region:quorum_margin{{{_HERE}}}", "{{region}}"),),
                description="By peers: the quorum's margin as seen from here",
                decimals=0,
            ),
            Panel(
                "Clock error against Prometheus",
                (Query(f"node:clock_offset_seconds{{{_HERE}}}", "{{region}} {{node}}"),),
                unit="s",
                description="Beyond 1 s proposals are refused",
            ),
            Panel(
                "Clock error by the node's own account",
                (Query(f"node_timex_offset_seconds{{{_HERE}}}", "{{region}} {{node}}"),),
                unit="s",
            ),
            Panel(
                "Disk left",
                (Query(f"volume:available_ratio{{{_HERE}}}", "{{region}} {{persistentvolumeclaim}}"),),
                unit="percentunit",
                description="An alert fires below 15 %; headers alone grow by 24 GB a year at 5 s",
            ),
            Panel(
                "Memory free on nodes",
                (Query(f"node_memory_MemAvailable_bytes{{{_HERE}}}", "{{region}} {{node}}"),),
                unit="bytes",
            ),
            Panel("Load of nodes", (Query(f"node_load1{{{_HERE}}}", "{{region}} {{node}}"),)),
            Panel(
                "CPU of validators",
                (
                    Query(
                        f"sum by (region, pod) (rate(container_cpu_usage_seconds_total{{{_HERE}}}[5m]))",
                        "{{region}} {{pod}}",
                    ),
                ),
                unit="cores",
            ),
        ),
        (_REGION,),
    )


def _validator_board(limits: Thresholds) -> Board:
    messages = f'besu_network_p2p_messages_inbound_total{{{_ONE},protocol=~"istanbul/.*"}}'
    return Board(
        "chainfleet-validator",
        "Validator",
        "One validator, as Besu tells of itself (names of Besu 24.12 and newer)",
        (
            Panel(
                "Height",
                (Query(f"ethereum_blockchain_height{{{_ONE}}}", "{{region}} {{validator}}"),),
                decimals=0,
            ),
            Panel(
                "Blocks behind the best known",
                (
                    Query(
                        f"ethereum_best_known_block_number{{{_ONE}}} - ethereum_blockchain_height{{{_ONE}}}",
                        "{{region}} {{validator}}",
                    ),
                ),
                decimals=0,
            ),
            Panel(
                "Blocks per second",
                (Query(f"validator:block_rate{{{_ONE}}}", "{{region}} {{validator}}"),),
                description=f"One per {limits.interval_s:g} s is {1 / limits.interval_s:.2f}",
            ),
            Panel(
                "Consensus messages per second",
                (Query(f"sum by (name) (rate({messages}[5m]))", "{{name}}"),),
                description="RoundChange should be none",
            ),
            Panel(
                "Peers", (Query(f"ethereum_peer_count{{{_ONE}}}", "{{region}} {{validator}}"),), decimals=0
            ),
            Panel(
                "In sync",
                (Query(f"besu_synchronizer_in_sync{{{_ONE}}}", "{{region}} {{validator}}"),),
                "statetimeline",
                steps=((None, BAD), (1, GOOD)),
            ),
            Panel(
                "Transactions waiting",
                (Query(f"besu_transaction_pool_transactions{{{_ONE}}}", "{{region}} {{validator}}"),),
                decimals=0,
            ),
            Panel(
                "Gas used of the newest block",
                (
                    Query(
                        f"besu_blockchain_chain_head_gas_used{{{_ONE}}} / besu_blockchain_chain_head_gas_limit{{{_ONE}}}",
                        "{{region}} {{validator}}",
                    ),
                ),
                unit="percentunit",
            ),
            Panel(
                "Heap used",
                (
                    Query(
                        f'jvm_memory_used_bytes{{{_ONE},area="heap"}} / jvm_memory_max_bytes{{{_ONE},area="heap"}}',
                        "{{region}} {{validator}}",
                    ),
                ),
                unit="percentunit",
            ),
            Panel(
                "CPU",
                (Query(f"rate(process_cpu_seconds_total{{{_ONE}}}[5m])", "{{region}} {{validator}}"),),
                unit="cores",
            ),
            Panel(
                "JSON-RPC errors per second",
                (Query(f"rate(besu_rpc_errors_count_total{{{_ONE}}}[5m])", "{{region}} {{validator}}"),),
            ),
            Panel("Versions", (Query("count by (version) (process_release)"),), "table", height=8),
        ),
        (_REGION, _VALIDATOR),
    )

"""The dashboards beside the chain's own: the oracle's feeds, and chainfleet at work."""

from __future__ import annotations

from ..thresholds import Thresholds
from .panels import BAD, GOOD, WARN, Board, Panel, Query, Variable

_RUN = Variable("run", "chainfleet_run_finished", "run")
_THIS = 'run=~"$run"'


def oracle_board(limits: Thresholds) -> Board:
    """Feeds on every chain, their relay and CCIP."""
    return Board(
        "chainfleet-oracle",
        "Oracle",
        "The feed on every chain, how far the relayer is, and CCIP",
        (
            Panel(
                "Age of the answer",
                (Query("oracle:age_seconds", "{{chain}}"),),
                "stat",
                "s",
                ((None, GOOD), (limits.oracle_heartbeat_s, WARN), (limits.oracle_stale_s, BAD)),
                f"Promised every {limits.oracle_heartbeat_s:g} s",
                width=8,
                height=5,
            ),
            Panel(
                "Rounds behind",
                (Query("chainfleet_oracle_lag_rounds", "{{chain}}"),),
                "stat",
                steps=((None, GOOD), (1, WARN), (3, BAD)),
                width=8,
                height=5,
            ),
            Panel(
                "Readable",
                (Query("chainfleet_oracle_up", "{{chain}}"),),
                "stat",
                steps=((None, BAD), (1, GOOD)),
                width=8,
                height=5,
            ),
            Panel("Answer", (Query("chainfleet_oracle_answer", "{{chain}}"),)),
            Panel(
                "Difference from the first chain",
                (Query("chainfleet_oracle_deviation_ratio", "{{chain}}"),),
                unit="percentunit",
                description=f"An alert fires beyond {limits.oracle_deviates:.2%}",
            ),
            Panel("Round", (Query("chainfleet_oracle_round", "{{chain}}"),), decimals=0),
            Panel(
                "CCIP messages per hour",
                (
                    Query(
                        "sum by (chain, result) (increase(chainfleet_ccip_messages_total[1h]))",
                        "{{chain}} {{result}}",
                    ),
                ),
            ),
            Panel(
                "CCIP messages that failed and wait",
                (Query("chainfleet_ccip_failed_messages", "{{chain}}"),),
                decimals=0,
            ),
            Panel(
                "Certificates and credentials, time left",
                (
                    Query(
                        "min by (subject) (chainfleet_certificate_expiry_timestamp_seconds) - time()",
                        "{{subject}}",
                    ),
                ),
                "stat",
                "s",
                ((None, BAD), (14 * 86_400, WARN), (30 * 86_400, GOOD)),
            ),
        ),
    )


def deployment_board() -> Board:
    """A run of chainfleet while it goes on."""
    return Board(
        "chainfleet-deployment",
        "Deployment",
        "What chainfleet does, what holds it back, and how good its forecast is",
        (
            Panel(
                "Tasks by state",
                (Query(f"sum by (state) (chainfleet_run_tasks{{{_THIS}}})", "{{state}}"),),
                width=16,
                decimals=0,
            ),
            Panel(
                "Failed tasks",
                (Query(f'sum(chainfleet_run_tasks{{{_THIS},state="failed"}})'),),
                "stat",
                steps=((None, GOOD), (1, BAD)),
                width=8,
            ),
            Panel(
                "Attempts under way",
                (Query(f"sum by (phase) (chainfleet_run_attempts_running{{{_THIS}}})", "{{phase}}"),),
                decimals=0,
            ),
            Panel(
                "Room in limits",
                (Query(f"bottomk(10, chainfleet_run_limit_headroom_ratio{{{_THIS}}})", "{{limit}}"),),
                unit="percentunit",
                description="0 is what tasks wait for",
            ),
            Panel(
                "Throttled calls per second",
                (
                    Query(
                        f"sum by (limit) (rate(chainfleet_run_throttled_calls_total{{{_THIS}}}[1m]))",
                        "{{limit}}",
                    ),
                ),
            ),
            Panel(
                "Failed attempts by class",
                (
                    Query(
                        f"sum by (error_class) (chainfleet_run_failed_attempts_total{{{_THIS}}})",
                        "{{error_class}}",
                    ),
                ),
                decimals=0,
            ),
            Panel(
                "Durations against their estimates",
                (
                    Query(
                        f"sum by (phase) (chainfleet_run_attempt_seconds_sum{{{_THIS}}})"
                        f" / (sum by (phase) (chainfleet_run_estimated_seconds_total{{{_THIS}}}) > 0)",
                        "{{phase}}",
                    ),
                ),
                unit="percentunit",
                description="Forecast error: 100 % is as expected",
            ),
            Panel(
                "Ledger lag",
                (Query(f"chainfleet_run_ledger_lag_seconds{{{_THIS}}}", "{{run}}"),),
                unit="s",
                description="From a record to its being durable; effects wait for it",
            ),
        ),
        (_RUN,),
    )

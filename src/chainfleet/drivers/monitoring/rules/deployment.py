"""Rules over what chainfleet says of itself while it runs a plan."""

from __future__ import annotations

from .building import Alert

_MINUTE_S = 60.0


def deployment_alert_rules() -> list[Alert]:
    """Return the alerts."""
    return [
        Alert(
            "DeploymentFailing",
            'sum by (fleet, run) (chainfleet_run_tasks{state="failed"}) > 0',
            0,
            "warning",
            "{{ $value }} tasks of {{ $labels.run }} failed",
        ),
        Alert(
            "DeploymentThrottled",
            "sum by (fleet, run) (rate(chainfleet_run_throttled_calls_total[5m])) > 1",
            5 * _MINUTE_S,
            "warning",
            "{{ $labels.run }} is throttled {{ $value }} times per second: its limits are set too high",
        ),
        Alert(
            "DeploymentStuck",
            "chainfleet_run_finished == 0 and time() - chainfleet_run_last_event_timestamp_seconds > 1800",
            0,
            "warning",
            "Nothing has happened in {{ $labels.run }} for half an hour",
        ),
        Alert(
            "LedgerSlow",
            "chainfleet_run_ledger_lag_seconds > 1",
            1 * _MINUTE_S,
            "warning",
            "Records of {{ $labels.run }} take more than a second to become durable: effects wait for them",
        ),
    ]

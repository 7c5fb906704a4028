"""Samples of the living network as the API tells them: with alerts, limits and history."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from .environments.desk import Desk
from .models.environments import Health
from .models.monitoring import (
    Alert,
    HistoryPoint,
    LimitsView,
    MonitoringHistory,
    MonitoringSample,
    NetworkHealth,
    NodeHealth,
    OracleHealth,
    RegionHealth,
)
from .models.runs import Outlook
from .observatory import UNWATCHED_S

_STALE_S = 2 * UNWATCHED_S
_LOW_HEADROOM = 0.1


def health_of(sample: Mapping[str, Any] | None) -> Health:
    """How a network is, in a word."""
    if sample is None:
        return "unknown"
    if sample["answering"] < sample["quorum"]:
        return "down"
    return "degraded" if sample["problems"] else "healthy"


def sample_view(desk: Desk, sample: Mapping[str, Any] | None, problem: str, now: float) -> MonitoringSample:
    """The last sample with everything beside it."""
    limits = limits_view(desk, 1)
    outlook = limits.outlook
    if sample is None:
        state = "unreachable" if problem and problem != "nothing is deployed yet" else "never"
        return MonitoringSample(
            environment=desk.name,
            state=state,
            problem=problem,
            outlook=outlook,
            limits=outlook.limits if outlook else [],
        )
    rounds = {row["region"]: row["round"] for row in sample["nodes"] if row["round"] is not None}
    oracle = [_oracle(feed, desk, sample) for feed in sample["feeds"]]
    stale = now - sample["wall"] > _STALE_S
    network = NetworkHealth(
        **{key: value for key, value in sample.items() if key in NetworkHealth.model_fields},
        round=max(rounds.values(), default=None),
    )
    return MonitoringSample(
        environment=desk.name,
        state="stale" if stale or problem else "live",
        wall=sample["wall"],
        problem=problem,
        network=network,
        regions=[RegionHealth(**row, round=rounds.get(row["region"])) for row in sample["regions"]],
        nodes=[NodeHealth(**_known(NodeHealth.model_fields, row)) for row in sample["nodes"]],
        oracle=oracle,
        limits=outlook.limits if outlook else [],
        outlook=outlook,
        alerts=alerts(sample, oracle, outlook),
    )


def alerts(sample: Mapping[str, Any], oracle: Sequence[OracleHealth], outlook: Outlook | None) -> list[Alert]:
    """What wants a look, the worst first."""
    found: list[Alert] = []
    if sample["answering"] < sample["quorum"]:
        text = f"{sample['answering']} of {sample['validators']} validators answer, {sample['quorum']} are needed"
        found.append(Alert(severity="critical", name="quorum-lost", text=text))
    elif sample["margin"] == 0 and sample["validators"] > 3:
        found.append(
            Alert(severity="warning", name="quorum-edge", text="no further validator may fall silent")
        )
    found += [
        Alert(severity="warning", name="network", text=text)
        for text in sample["problems"]
        if "are needed" not in text
    ]
    found += [
        Alert(
            severity="warning",
            name="region-silent",
            text=f"{row['validators'] - row['answering']} of {row['validators']} validators are silent",
            region=row["region"],
        )
        for row in sample["regions"]
        if row["answering"] < row["validators"]
    ]
    found += [
        Alert(
            severity="warning", name="oracle-stale", text=f"the feed on {one.chain} is {one.age_s:.0f} s old"
        )
        for one in oracle
        if one.fresh is False and one.age_s is not None
    ]
    for limit in outlook.limits if outlook else ():
        if limit.headroom < _LOW_HEADROOM and limit.waiting:
            text = f"{limit.name} is nearly used up, {limit.waiting} tasks wait"
            found.append(Alert(severity="info", name="limit", text=text))
    return found


def history_view(desk: Desk, seconds: float, points: int, now: float) -> MonitoringHistory:
    """Samples for plots, thinned out evenly."""
    step = max(1.0, seconds / points)
    found = []
    for wall, body in desk.ledger.samples(since=now - seconds, step_s=step):
        sample = json.loads(body)
        ages = [_age(feed, sample) for feed in sample["feeds"]]
        known = [age for age in ages if age is not None]
        found.append(
            HistoryPoint(
                wall=wall,
                head=sample["head"],
                head_age_s=sample["head_age_s"],
                round=max(
                    (row["round"] for row in sample["nodes"] if row["round"] is not None), default=None
                ),
                peers_min=sample["peers_min"],
                answering=sample["answering"],
                margin=sample["margin"],
                oracle_age_s=max(known) if known else None,
                heads={row["region"]: row["head"] for row in sample["regions"]},
            )
        )
    return MonitoringHistory(environment=desk.name, step_s=step, points=found[-points:])


def limits_view(desk: Desk, points: int) -> LimitsView:
    """What the coordinator of the last run noted of its limits."""
    runs = desk.ledger.runs()
    if not runs:
        return LimitsView(environment=desk.name)
    records = desk.ledger.notes(runs[-1], "outlook", max(1, points))
    history = [Outlook(at=record.at, wall=record.wall, **json.loads(record.body)) for record in records]
    return LimitsView(
        environment=desk.name,
        run=runs[-1],
        outlook=history[-1] if history else None,
        history=history if points else [],
    )


def _oracle(feed: Mapping[str, Any], desk: Desk, sample: Mapping[str, Any]) -> OracleHealth:
    deployed = desk.outputs().get(f"contracts/deploy/{feed['chain']}", {})
    age = _age(feed, sample)
    answers = {one["answer"] for one in sample["feeds"] if one["answer"] is not None}
    return OracleHealth(
        chain=feed["chain"],
        address=str(deployed.get("address", "")),
        age_s=age,
        round=feed["round"] or None,
        fresh=None if age is None else age <= sample["heartbeat_s"],
        equal=len(answers) == 1 if feed["answer"] is not None and len(sample["feeds"]) > 1 else None,
        problem="" if feed["answer"] is not None else "the feed can't be read",
    )


def _age(feed: Mapping[str, Any], sample: Mapping[str, Any]) -> float | None:
    """Seconds since the last round, where the chain's clock is ours."""
    if not feed["updated_at"] or sample["scale"] != 1:
        return None
    return max(0.0, float(sample["wall"]) - float(feed["updated_at"]))


def _known(fields: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key in fields}

"""Requests that ask rather than store: may I, who am I, a token, an eviction."""

from __future__ import annotations

from typing import Any

from . import selectors
from .deleting import delete
from .errors import ApiError
from .kinds import Kind
from .requests import Target
from .writing import Objects, Options

Json = dict[str, Any]

USER = "chainfleet-operator"


def review(kind: Kind, body: Json) -> Json:
    """Answer a review. The one token of a cluster is its administrator's, so everything is allowed."""
    answer = {**body, "apiVersion": kind.api_version, "kind": kind.kind, "metadata": {}}
    if kind.kind == "SelfSubjectReview":
        answer["status"] = {
            "userInfo": {"username": USER, "groups": ["system:masters", "system:authenticated"]}
        }
    else:
        answer["status"] = {"allowed": True}
    return answer


def subresource(objects: Objects, where: Target, body: Json) -> Json:
    """`serviceaccounts/token` and `pods/eviction`.

    Raises:
        ApiError: 404, or 429 when a disruption budget forbids the eviction.
    """
    live = objects.get(where.kind, where.namespace, where.name).obj
    if where.subresource == "token":
        raise ApiError(
            501,
            "NotImplemented",
            "the emulated cluster issues no service account tokens: use the cluster user's credentials",
        )
    _check_budgets(objects, live)
    delete(
        objects, where.kind, where.namespace, where.name, body.get("deleteOptions") or {}, Options("eviction")
    )
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def _check_budgets(objects: Objects, pod: Json) -> None:
    labels = pod["metadata"].get("labels") or {}
    for budget in objects.store.all("poddisruptionbudgets.policy", pod["metadata"]["namespace"]):
        covered = selectors.matches(budget["spec"].get("selector"), labels)
        if covered and budget.get("status", {}).get("disruptionsAllowed", 0) <= 0:
            raise ApiError(
                429,
                "TooManyRequests",
                "Cannot evict pod as it would violate the pod's disruption budget.",
                {
                    "causes": [
                        {
                            "reason": "DisruptionBudget",
                            "message": f"The disruption budget {budget['metadata']['name']} needs "
                            f"{budget['status'].get('desiredHealthy', 0)} healthy pods and has "
                            f"{budget['status'].get('currentHealthy', 0)} currently",
                        }
                    ]
                },
            )

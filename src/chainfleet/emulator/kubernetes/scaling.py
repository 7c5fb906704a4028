"""The `scale` subresource: one small object to read and set the number of replicas of any workload."""

from __future__ import annotations

from typing import Any

from .errors import bad_request
from .patches import json_patch, merge_patch
from .requests import Target
from .writing import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, Objects, Options

Json = dict[str, Any]


def read_scale(live: Json) -> Json:
    """A workload's scale."""
    meta = live["metadata"]
    labels = (live["spec"].get("selector") or {}).get("matchLabels") or {}
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": meta["name"],
            "namespace": meta["namespace"],
            "uid": meta["uid"],
            "resourceVersion": meta["resourceVersion"],
            "creationTimestamp": meta["creationTimestamp"],
        },
        "spec": {"replicas": live["spec"].get("replicas", 0)},
        "status": {
            "replicas": live.get("status", {}).get("replicas", 0),
            "selector": ",".join(f"{k}={v}" for k, v in labels.items()),
        },
    }


def write_scale(
    objects: Objects, where: Target, method: str, content_type: str, body: Any, options: Options
) -> Json:
    """Set a workload's number of replicas; returns the new scale.

    Raises:
        ApiError: 400, 404, 409 or 422.
    """
    live = objects.get(where.kind, where.namespace, where.name).obj
    scale = read_scale(live)
    if method == "PUT":
        new = body
    elif content_type == JSON_PATCH:
        new = json_patch(scale, body)
    elif content_type in (MERGE_PATCH, "application/strategic-merge-patch+json", APPLY_PATCH):
        new = merge_patch(scale, body)
    else:
        raise bad_request(f"scale can't be written with {method} {content_type}")
    replicas = (new.get("spec") or {}).get("replicas", 0)
    if not isinstance(replicas, int) or isinstance(replicas, bool) or replicas < 0:
        raise bad_request(f"spec.replicas must be a non-negative integer, not {replicas!r}")
    patch: Json = {"spec": {"replicas": replicas}}
    version = (new.get("metadata") or {}).get("resourceVersion")
    if version:
        patch["metadata"] = {"resourceVersion": version}
    # Ownership of `spec.replicas` is recorded under the subresource, as the real server does.
    item, _ = objects.patch(where.kind, where.namespace, where.name, MERGE_PATCH, patch, options, "scale")
    return read_scale(item.obj)

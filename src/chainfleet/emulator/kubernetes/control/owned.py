"""What controllers share: owned pods, their readiness, template hashes, pods from templates."""

from __future__ import annotations

import copy
import hashlib
import json
from typing import Any

from ..store import Store

Json = dict[str, Any]

_SAFE = "bcdfghjklmnpqrstvwxz2456789"


def controller_of(obj: Json, kind: str = "") -> Json | None:
    """The owner that manages an object, if it is of that kind."""
    owners: list[Json] = obj["metadata"].get("ownerReferences") or []
    return next((o for o in owners if o.get("controller") and kind in ("", o["kind"])), None)


def owned(store: Store, kind_id: str, owner: Json) -> list[Json]:
    """The objects of a kind that an owner manages, by name."""
    uid = owner["metadata"]["uid"]
    namespace = owner["metadata"]["namespace"]
    found = [o for o in store.all(kind_id, namespace) if (controller_of(o) or {}).get("uid") == uid]
    return sorted(found, key=lambda o: str(o["metadata"]["name"]))


def reference(owner: Json) -> Json:
    """An owner reference to put into what it manages."""
    meta = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": meta["name"],
        "uid": meta["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def is_ready(pod: Json) -> bool:
    """Whether a pod is ready and not going."""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = pod.get("status", {}).get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def is_active(pod: Json) -> bool:
    """Whether a pod still counts: not going, not ended."""
    ended = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
    return not ended and not pod["metadata"].get("deletionTimestamp")


def template_hash(template: Json) -> str:
    """A short name for a template, from the characters that Kubernetes uses."""
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join(_SAFE[b % len(_SAFE)] for b in digest[:10])


def pod_from(template: Json, owner: Json, labels: Json) -> Json:
    """A pod as a template describes it; without a name."""
    meta = copy.deepcopy(template.get("metadata") or {})
    meta["namespace"] = owner["metadata"]["namespace"]
    meta["labels"] = {**(meta.get("labels") or {}), **labels}
    meta["ownerReferences"] = [reference(owner)]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": copy.deepcopy(template["spec"])}


def delete_pod(objects: Any, pod: Json) -> None:
    """Delete a pod gracefully, as a controller does."""
    from ..deleting import delete
    from ..kinds import core
    from ..writing import Options

    meta = pod["metadata"]
    before = objects.counters.changes
    delete(objects, core("Pod"), meta["namespace"], meta["name"], {}, Options("kube-controller-manager"))
    objects.counters.changes = before

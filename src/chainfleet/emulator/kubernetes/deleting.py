"""Deletion: preconditions, grace for pods, finalizers, and what happens to dependants."""

from __future__ import annotations

from typing import Any

from .admission import refuse_reserved
from .errors import stale
from .kinds import Kind
from .store import Item
from .writing import Objects, Options

Json = dict[str, Any]


def delete(objects: Objects, kind: Kind, namespace: str, name: str, body: Json, options: Options) -> Json:
    """Delete an object and return what the API answers: a Status, or the object while it still goes.

    Raises:
        ApiError: 403, 404 or 409.
    """
    live = objects.get(kind, namespace, name).obj
    refuse_reserved(kind, name)
    wanted = body.get("preconditions") or {}
    meta = live["metadata"]
    if any(wanted.get(f) not in (None, meta[f]) for f in ("uid", "resourceVersion")):
        raise stale(kind, name)
    if options.dry_run:
        return _gone(kind, meta)
    if not meta.get("deletionTimestamp"):
        objects.counters.changes += 1
    orphan = body.get("propagationPolicy") == "Orphan" or body.get("orphanDependents") is True
    if orphan:
        _orphan(objects, meta["uid"])
    grace = _grace(kind, live, body.get("gracePeriodSeconds"))
    if grace is None and not meta.get("finalizers") and kind.kind != "Namespace":
        objects.store.remove(kind.id, namespace, name)
        return _gone(kind, meta)
    return _mark(objects, kind, live, grace).obj


def _grace(kind: Kind, live: Json, asked: int | None) -> int | None:
    """Seconds that a running pod is given; None for anything that goes at once."""
    if kind.kind != "Pod" or not live["spec"].get("nodeName"):
        return None
    if live["status"].get("phase") in ("Succeeded", "Failed"):
        return None
    grace = live["spec"].get("terminationGracePeriodSeconds", 30) if asked is None else asked
    return grace or None


def _mark(objects: Objects, kind: Kind, live: Json, grace: int | None) -> Item:
    meta = live["metadata"]
    if meta.get("deletionTimestamp"):
        return Item(live)
    new = {**live, "metadata": {**meta, "deletionTimestamp": objects.now()}}
    if kind.kind == "Pod":
        new["metadata"]["deletionGracePeriodSeconds"] = grace or 0
    elif "generation" in meta:
        new["metadata"]["generation"] = meta["generation"] + 1
    if kind.kind == "Namespace":
        new["status"] = {**live.get("status", {}), "phase": "Terminating"}
    return objects.store.put(kind.id, new)


def _orphan(objects: Objects, uid: str) -> None:
    for kind_id in objects.store.kinds():
        for obj in list(objects.store.all(kind_id)):
            owners = obj["metadata"].get("ownerReferences") or []
            kept = [o for o in owners if o["uid"] != uid]
            if len(kept) != len(owners):
                objects.store.put(kind_id, {**obj, "metadata": {**obj["metadata"], "ownerReferences": kept}})


def _gone(kind: Kind, meta: Json) -> Json:
    details = {"name": meta["name"], "kind": kind.plural, "uid": meta["uid"]}
    if kind.group:
        details["group"] = kind.group
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}

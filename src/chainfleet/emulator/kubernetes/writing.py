"""Every write to a cluster's objects: decoding, defaults, rules, ownership, and the no-op that stays one.

Clients come here through the API, controllers and nodes directly; both end in `_commit`, so that both
obey the same rules and both are seen by watches.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from ..cloning import clone
from . import admission, defaults, schema, validation
from .applying import Writer, apply, take_ownership
from .errors import ApiError, already_exists, bad_request, not_found, stale
from .fieldsets import fields_of
from .kinds import Kind, Kinds, core
from .patches import json_patch, merge_patch, strategic_merge
from .store import Item, Store

Json = dict[str, Any]

_WITHOUT_GENERATION = frozenset(
    {"ConfigMap", "Secret", "Service", "Endpoints", "Event", "Namespace", "Node", "ServiceAccount", "Lease"}
)
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Options:
    """How a client asked for a write.

    Attributes:
        manager: field manager's name.
        force: take fields from other managers (server-side apply).
        dry_run: answer as if, and store nothing.
        validation: `Strict`, `Warn` or `Ignore` for unknown fields.
        warnings: filled with what should be told to the client.
    """

    manager: str = "unknown"
    force: bool = False
    dry_run: bool = False
    validation: str = "Warn"
    warnings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Counters:
    """What happened to a cluster since it started, clients' doing only."""

    requests: int = 0
    changes: int = 0
    refused: int = 0
    by_verb: dict[str, int] = field(default_factory=dict)


class Objects:
    """All writes to one cluster.

    Args:
        store: where objects live.
        kinds: what the cluster serves.
        wall: the time of day in seconds since 1970, for timestamps in metadata.
        rng: for uids and generated names.
    """

    def __init__(self, store: Store, kinds: Kinds, wall: Callable[[], float], rng: random.Random) -> None:
        self.store = store
        self.kinds = kinds
        self.counters = Counters()
        self._wall = wall
        self._rng = rng

    def now(self) -> str:
        """The time as Kubernetes writes it."""
        return datetime.fromtimestamp(self._wall(), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def new_uid(self) -> str:
        """A random uid."""
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def suffix(self, length: int = 5) -> str:
        """Random characters as `generateName` appends them."""
        return "".join(self._rng.choices(_SUFFIX, k=length))

    def get(self, kind: Kind, namespace: str, name: str) -> Item:
        """One object.

        Raises:
            ApiError: 404.
        """
        item = self.store.get(kind.id, namespace, name)
        if item is None:
            raise not_found(kind, name)
        return item

    def create(self, kind: Kind, namespace: str, body: Json, options: Options) -> Item:
        """Create an object.

        Raises:
            ApiError: 400, 403, 404 (its namespace), 409 or 422.
        """
        new = self._decode(kind, namespace, body, options)
        meta = new["metadata"]
        if not meta.get("name"):
            prefix = meta.get("generateName")
            if not prefix:
                raise validation.refuse(
                    kind, "", "metadata.name", "Required value: name or generateName is required"
                )
            meta["name"] = prefix + self.suffix()
        if self.store.get(kind.id, namespace, meta["name"]):
            raise already_exists(kind, meta["name"])
        if meta.get("resourceVersion"):
            raise bad_request("resourceVersion should not be set on objects to be created")
        meta.pop("managedFields", None)
        if kind.has_status and kind.model:
            new.pop("status", None)
        return self._commit(kind, None, new, self._writer(options, "Update", ""), options)

    def replace(
        self, kind: Kind, namespace: str, name: str, body: Json, options: Options, subresource: str = ""
    ) -> Item:
        """Replace an object, or its status.

        Raises:
            ApiError: 400, 404, 409 or 422.
        """
        live = self.get(kind, namespace, name).obj
        new = self._decode(kind, namespace, body, options)
        if new["metadata"].get("name") != name:
            raise bad_request(
                f"the name of the object ({new['metadata'].get('name')}) does not match "
                f"the name on the URL ({name})"
            )
        return self._update(kind, live, new, self._writer(options, "Update", subresource), options)

    def patch(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        content_type: str,
        patch: Any,
        options: Options,
        subresource: str = "",
    ) -> tuple[Item, bool]:
        """Patch or apply an object; returns it and whether it was created.

        Raises:
            ApiError: 400, 404, 409, 415 or 422.
        """
        if content_type == APPLY_PATCH:
            return self._apply(kind, namespace, name, patch, options, subresource)
        live = self.get(kind, namespace, name).obj
        if content_type == JSON_PATCH:
            new = json_patch(live, patch)
        elif content_type == MERGE_PATCH or (content_type == STRATEGIC_PATCH and not kind.model):
            if content_type == STRATEGIC_PATCH:
                raise _unsupported(content_type)
            new = merge_patch(live, patch)
        elif content_type == STRATEGIC_PATCH:
            new = strategic_merge(live, patch)
        else:
            raise _unsupported(content_type)
        new = self._decode(kind, namespace, new, options)
        return self._update(kind, live, new, self._writer(options, "Update", subresource), options), False

    def _apply(
        self, kind: Kind, namespace: str, name: str, body: Json, options: Options, subresource: str
    ) -> tuple[Item, bool]:
        if not isinstance(body, dict):
            raise bad_request("an applied configuration is an object")
        config = self._decode(kind, namespace, body, options, partial=True)
        meta = config["metadata"]
        if meta.get("managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        if meta.setdefault("name", name) != name:
            raise bad_request(
                f"the name of the object ({meta['name']}) does not match the name on the URL ({name})"
            )
        item = self.store.get(kind.id, namespace, name)
        if item is None and subresource:
            raise not_found(kind, name)
        if item is None and (meta.get("uid") or meta.get("resourceVersion")):
            raise stale(kind, name)
        writer = self._writer(options, "Apply", subresource)
        if not subresource and kind.has_status and kind.model:
            config.pop("status", None)
        if item is None:
            place = {"name": name, "namespace": namespace} if kind.namespaced else {"name": name}
            base = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": place}
            merged = apply(base, config, kind, writer, force=options.force)
            return self._commit(kind, None, merged, writer, options), True
        self._same_version(kind, item.obj, config)
        merged = apply(item.obj, config, kind, writer, force=options.force)
        return self._update(kind, item.obj, merged, writer, options), False

    def _writer(self, options: Options, operation: str, subresource: str) -> Writer:
        return Writer(options.manager, operation, subresource, self.now())

    def _decode(
        self, kind: Kind, namespace: str, body: Any, options: Options, *, partial: bool = False
    ) -> Json:
        if not isinstance(body, dict):
            raise bad_request("the body of the request was in an unknown format")
        if body.get("kind") not in (None, kind.kind) or body.get("apiVersion") not in (
            None,
            kind.api_version,
        ):
            raise bad_request(
                f"the API version in the data ({body.get('apiVersion')}, Kind={body.get('kind')}) does not "
                f"match the expected API version ({kind.api_version}, Kind={kind.kind})"
            )
        if options.validation != "Ignore" and (unknown := schema.unknown_fields(kind, body)):
            words = ", ".join(f'unknown field "{path}"' for path in unknown)
            if options.validation == "Strict":
                raise bad_request(
                    f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: '
                    f"strict decoding error: {words}"
                )
            options.warnings.extend(f'unknown field "{path}"' for path in unknown)
        if not partial:
            schema.check_types(kind, body)
        new = clone(body)
        new["apiVersion"], new["kind"] = kind.api_version, kind.kind
        meta = new["metadata"] = new.get("metadata") or {}
        if kind.namespaced:
            if meta.setdefault("namespace", namespace) != namespace:
                raise bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request"
                )
        else:
            meta.pop("namespace", None)
        return new

    def _same_version(self, kind: Kind, live: Json, new: Json) -> None:
        sent, meta = new["metadata"], live["metadata"]
        if sent.get("resourceVersion") and sent["resourceVersion"] != meta["resourceVersion"]:
            raise stale(kind, meta["name"])
        if sent.get("uid") and sent["uid"] != meta["uid"]:
            raise stale(kind, meta["name"])

    def _update(self, kind: Kind, live: Json, new: Json, writer: Writer, options: Options) -> Item:
        self._same_version(kind, live, new)
        if writer.subresource == "status":
            kept = {**live, "metadata": {**live["metadata"]}}
            kept["metadata"]["managedFields"] = new["metadata"].get("managedFields")
            new = {**kept, "status": new.get("status", {})}
        elif kind.has_status:
            new.pop("status", None)
            if "status" in live:
                new["status"] = live["status"]
        for name in (
            "uid",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "generation",
        ):
            new["metadata"].pop(name, None)
            if name in live["metadata"]:
                new["metadata"][name] = live["metadata"][name]
        return self._commit(kind, live, new, writer, options)

    def _commit(self, kind: Kind, live: Json | None, new: Json, writer: Writer, options: Options) -> Item:
        meta = new["metadata"]
        managed = meta.pop("managedFields", None) if writer.operation == "Apply" else None
        meta.pop("managedFields", None)
        new = clone(new)
        meta = new["metadata"]
        schema.check_types(kind, new)
        if not writer.subresource:
            admission.prepare(self.store, kind, new, live)
            defaults.fill(kind.kind, new)
            admission.admit(self.store, kind, new, live)
            validation.check(kind, new, live)
        if managed is None:
            managed = take_ownership(live, new, kind, writer)
        if live is not None and _same(live, {**new, "metadata": {**meta, "managedFields": managed}}):
            return self.store.get(kind.id, meta.get("namespace", ""), meta["name"]) or Item(live)
        meta["managedFields"] = managed
        self._stamp(kind, live, new)
        if options.dry_run:
            meta.setdefault("resourceVersion", "")
            return Item(new)
        self.counters.changes += 1
        item = self.store.put(kind.id, new)
        self._finish_deletion(kind, new)
        return item

    def _stamp(self, kind: Kind, live: Json | None, new: Json) -> None:
        meta = new["metadata"]
        if live is None:
            meta["uid"] = self.new_uid()
            meta["creationTimestamp"] = self.now()
            if kind.kind not in _WITHOUT_GENERATION and "spec" in new:
                meta["generation"] = 1
        elif "generation" in live["metadata"] and live.get("spec") != new.get("spec"):
            meta["generation"] = live["metadata"]["generation"] + 1

    def _finish_deletion(self, kind: Kind, obj: Json) -> None:
        meta = obj["metadata"]
        if (
            meta.get("deletionTimestamp")
            and not meta.get("finalizers")
            and kind.kind not in ("Pod", "Namespace")
        ):
            self.store.remove(kind.id, meta.get("namespace", ""), meta["name"])

    # What controllers and nodes do.

    def make(self, kind_name: str, obj: Json, manager: str) -> Json:
        """Create an object on behalf of a controller.

        Raises:
            ApiError: as for any client.
        """
        kind = core(kind_name)
        before = self.counters.changes
        item = self.create(
            kind, obj["metadata"].get("namespace", ""), obj, Options(manager, validation="Ignore")
        )
        self.counters.changes = before
        return item.obj

    def change(self, obj: Json, manager: str, **parts: Any) -> Json:
        """Set top-level parts (`spec`, `data`, …) of an object that a controller owns."""
        kind = self.kinds.named(obj["kind"], obj["apiVersion"].rpartition("/")[0])
        live = self.store.find(kind.id, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        if live is None or all(live.get(name) == value for name, value in parts.items()):
            return live or obj
        new = {**live, **parts, "metadata": {**live["metadata"], **parts.get("metadata", {})}}
        self._own(
            kind,
            new,
            Writer(manager, "Update", "", self.now()),
            {k: v for k, v in parts.items() if k != "metadata"},
        )
        self._stamp(kind, live, new)
        return self.store.put(kind.id, new).obj

    def set_status(self, obj: Json, status: Json, manager: str) -> Json:
        """Set the status of an object; nothing is written if it's the same."""
        kind = self.kinds.named(obj["kind"], obj["apiVersion"].rpartition("/")[0])
        live = self.store.find(kind.id, obj["metadata"].get("namespace", ""), obj["metadata"]["name"])
        if live is None or live["metadata"]["uid"] != obj["metadata"]["uid"] or live.get("status") == status:
            return live or obj
        new = {**live, "status": status, "metadata": {**live["metadata"]}}
        self._own(kind, new, Writer(manager, "Update", "status", self.now()), {"status": status})
        return self.store.put(kind.id, new).obj

    def _own(self, kind: Kind, new: Json, writer: Writer, parts: Json) -> None:
        """Record a controller's fields: it owns the parts it writes as a whole, which is cheap to compute."""
        entries = [
            e for e in new["metadata"].get("managedFields") or [] if not writer.wrote(e, kind.api_version)
        ]
        fields = fields_of(parts, custom=not kind.model)
        new["metadata"]["managedFields"] = [*entries, writer.entry(fields, kind.api_version, writer.now)]

    def drop(self, kind_name: str, namespace: str, name: str) -> None:
        """Remove an object at once."""
        self.store.remove(core(kind_name).id, namespace, name)


def _same(live: Json, new: Json) -> bool:
    return _comparable(live) == _comparable(new)


def _comparable(obj: Json) -> Json:
    meta = {k: v for k, v in obj["metadata"].items() if k != "resourceVersion" and v not in ({}, [], None)}
    if "managedFields" in meta:
        meta["managedFields"] = [{k: v for k, v in e.items() if k != "time"} for e in meta["managedFields"]]
        meta["managedFields"].sort(key=lambda e: (e["manager"], e["operation"], e.get("subresource", "")))
    return {**obj, "metadata": meta}


def _unsupported(content_type: str) -> ApiError:
    return ApiError(
        415,
        "UnsupportedMediaType",
        f"the body of the request was in an unknown format - accepted media types include: {JSON_PATCH}, "
        f"{MERGE_PATCH}, {APPLY_PATCH}; not {content_type}",
    )

"""Reads: one object, lists in pages, and the stream of a watch."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .. import background
from . import selectors
from .errors import ApiError, bad_request
from .kinds import Kind
from .store import Change, GoneError, Item, Store
from .tables import table

Json = dict[str, Any]
Wall = Callable[[], float]

BOOKMARK_EVERY_S = 60.0
DEFAULT_WATCH_S = 1800.0


@dataclass(frozen=True, slots=True)
class Shape:
    """In which form a client wants objects: as they are, as rows of a table, or their metadata only.

    Attributes:
        form: `object`, `table` or `metadata`.
        include: for tables, what comes with each row.
        wall: seconds since 1970, for ages.
    """

    form: str
    include: str
    wall: Wall

    def one(self, kind: Kind, item: Item) -> bytes:
        """An object as the client wants it."""
        obj = self.versioned(kind, item.obj)
        if self.form == "object":
            return item.raw if obj is item.obj else _text(obj)
        if self.form == "metadata":
            return _text(partial(obj))
        meta = {"resourceVersion": obj["metadata"].get("resourceVersion", "")}
        return _text(table(kind, [obj], meta, self.include, self.wall()))

    @staticmethod
    def versioned(kind: Kind, obj: Json) -> Json:
        """The object in the version asked for (custom resources are converted by renaming only)."""
        if obj.get("apiVersion") == kind.api_version:
            return obj
        return {**obj, "apiVersion": kind.api_version}


def partial(obj: Json) -> Json:
    """The object's metadata only."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": obj["metadata"]}


def shape_of(accept: str, query: Mapping[str, str], wall: Wall) -> Shape:
    """Read the form from an `Accept` header."""
    form = "object"
    for choice in accept.split(","):
        if "as=Table" in choice and "v=v1" in choice.replace("v1beta1", ""):
            form = "table"
            break
        if "as=PartialObjectMetadata" in choice and "v=v1" in choice.replace("v1beta1", ""):
            form = "metadata"
            break
        if choice.strip() in ("application/json", "*/*"):
            break
    return Shape(form, query.get("includeObject", "Metadata"), wall)


def _text(obj: Any) -> bytes:
    return json.dumps(obj, separators=(",", ":")).encode()


class Filter:
    """The selectors of a list or watch."""

    def __init__(self, namespace: str, query: Mapping[str, str]) -> None:
        self._namespace = namespace
        label, field = query.get("labelSelector", ""), query.get("fieldSelector", "")
        self._labels = selectors.labels(label) if label else None
        self._fields = selectors.fields(field) if field else None

    def takes(self, obj: Json) -> bool:
        """Whether an object is wanted."""
        meta = obj["metadata"]
        if self._namespace and meta.get("namespace") != self._namespace:
            return False
        if self._labels and not self._labels(meta.get("labels") or {}):
            return False
        return self._fields is None or self._fields(obj)


def list_objects(store: Store, kind: Kind, namespace: str, query: Mapping[str, str], shape: Shape) -> bytes:
    """A list, or the page of it that `limit` and `continue` ask for.

    Raises:
        ApiError: 400 for a selector or token that can't be read.
    """
    wanted = Filter(namespace, query)
    items = [i for i in store.items(kind.id, namespace) if wanted.takes(i.obj)]
    revision = str(store.revision)
    if token := query.get("continue"):
        after, revision = _read_token(token)
        items = [i for i in items if _key(i.obj) > after]
    limit = int(query.get("limit") or 0)
    meta: Json = {"resourceVersion": revision}
    if 0 < limit < len(items):
        meta["remainingItemCount"] = len(items) - limit
        items = items[:limit]
        meta["continue"] = _write_token(_key(items[-1].obj), revision)
    if shape.form == "table":
        objects = [shape.versioned(kind, i.obj) for i in items]
        return _text(table(kind, objects, meta, shape.include, shape.wall()))
    name, version = f"{kind.kind}List", kind.api_version
    if shape.form == "metadata":
        name, version = "PartialObjectMetadataList", "meta.k8s.io/v1"
    head = _text({"kind": name, "apiVersion": version, "metadata": meta})
    return head[:-1] + b',"items":[' + b",".join(shape.one(kind, i) for i in items) + b"]}"


def _key(obj: Json) -> tuple[str, str]:
    return obj["metadata"].get("namespace", ""), obj["metadata"]["name"]


def _write_token(key: tuple[str, str], revision: str) -> str:
    return base64.urlsafe_b64encode(_text([*key, revision])).decode()


def _read_token(token: str) -> tuple[tuple[str, str], str]:
    try:
        namespace, name, revision = json.loads(base64.urlsafe_b64decode(token))
    except (ValueError, TypeError):
        raise bad_request("continue key is not valid") from None
    return (namespace, name), revision


class Watch:
    """The changes to a kind, as they come.

    Args:
        store: where the objects live.
        kind: whose changes.
        namespace: only there; "" is everywhere.
        query: `resourceVersion`, `timeoutSeconds`, `allowWatchBookmarks`, `sendInitialEvents`, selectors.
        shape: in which form.
    """

    def __init__(
        self, store: Store, kind: Kind, namespace: str, query: Mapping[str, str], shape: Shape
    ) -> None:
        self._store = store
        self._kind = kind
        self._namespace = namespace
        self._shape = shape
        self._wanted = Filter(namespace, query)
        self._from = query.get("resourceVersion", "")
        self._bookmarks = query.get("allowWatchBookmarks") in ("true", "1")
        self._initial = query.get("sendInitialEvents") == "true"
        self._seconds = float(query.get("timeoutSeconds") or DEFAULT_WATCH_S)

    async def lines(self) -> AsyncIterator[bytes]:
        """The stream's lines, until the client's timeout."""
        waiting: deque[Change] = deque()
        woken = asyncio.Event()

        def note(change: Change) -> None:
            if change.kind_id == self._kind.id:
                waiting.append(change)
                woken.set()

        stop = self._store.listen(note)
        try:
            try:
                first = self._first()
            except GoneError:
                yield _line("ERROR", _text(_expired(self._from).body()))
                return
            for line in first:
                yield line
            async for line in self._follow(waiting, woken):
                yield line
        finally:
            stop()

    def _first(self) -> list[bytes]:
        if self._from in ("", "0") or self._initial:
            lines = [
                _line("ADDED", self._shape.one(self._kind, item))
                for item in self._store.items(self._kind.id, self._namespace)
                if self._wanted.takes(item.obj)
            ]
            if self._initial:
                lines.append(self._bookmark(end_of_initial=True))
            return lines
        lines = []
        for change in self._store.since(self._kind.id, int(self._from)):
            if (line := self._seen(change)) is not None:
                lines.append(line)
        return lines

    async def _follow(self, waiting: deque[Change], woken: asyncio.Event) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._seconds
        while (left := end - loop.time()) > 0:
            if not await background.within(min(left, BOOKMARK_EVERY_S), woken):
                if self._bookmarks:
                    yield self._bookmark()
                continue
            woken.clear()
            while waiting:
                if (line := self._seen(waiting.popleft())) is not None:
                    yield line

    def _seen(self, change: Change) -> bytes | None:
        """A change as this watch sees it: leaving the selection looks like a deletion."""
        now = change.type != "DELETED" and self._wanted.takes(change.obj)
        before = change.before is not None and self._wanted.takes(change.before.obj)
        if now:
            return _line("MODIFIED" if before else "ADDED", self._shape.one(self._kind, change.item))
        if before:
            return _line("DELETED", self._shape.one(self._kind, change.item))
        return None

    def _bookmark(self, *, end_of_initial: bool = False) -> bytes:
        meta: Json = {"resourceVersion": str(self._store.revision), "creationTimestamp": None}
        if end_of_initial:
            meta["annotations"] = {"k8s.io/initial-events-end": "true"}
        return _line(
            "BOOKMARK",
            _text({"kind": self._kind.kind, "apiVersion": self._kind.api_version, "metadata": meta}),
        )


def _line(event: str, raw: bytes) -> bytes:
    return b'{"type":"' + event.encode() + b'","object":' + raw + b"}\n"


def _expired(revision: str) -> ApiError:
    return ApiError(410, "Expired", f"too old resource version: {revision}")

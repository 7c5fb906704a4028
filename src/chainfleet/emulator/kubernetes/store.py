"""The objects of one cluster, their revisions, and the changes that watches follow.

Objects are plain JSON dictionaries and are never changed in place once stored: every write stores a new
dictionary, so that readers, watches and controllers can share them without copying.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
Key = tuple[str, str]

HISTORY = 4096
"""Changes kept for watches that come back with an old revision (etcd keeps about five minutes)."""


class Item:
    """A stored object with its JSON text, which is made once and shared by all answers."""

    __slots__ = ("_raw", "obj")

    def __init__(self, obj: Json) -> None:
        self.obj = obj
        self._raw: bytes | None = None

    @property
    def raw(self) -> bytes:
        """The object as JSON text."""
        if self._raw is None:
            self._raw = json.dumps(self.obj, separators=(",", ":")).encode()
        return self._raw


@dataclass(frozen=True, slots=True)
class Change:
    """One change: `type` is ADDED, MODIFIED or DELETED; `before` is what the object was."""

    revision: int
    type: str
    kind_id: str
    item: Item
    before: Item | None

    @property
    def obj(self) -> Json:
        """The object after the change (for DELETED: its last state)."""
        return self.item.obj


Listener = Callable[[Change], None]


class GoneError(Exception):
    """The changes since that revision are no longer kept."""


class Store:
    """All objects of one cluster."""

    def __init__(self) -> None:
        self.revision = 1
        self._tables: dict[str, dict[Key, Item]] = {}
        self._history: deque[Change] = deque(maxlen=HISTORY)
        self._forgotten = 0
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call `listener` after every change; returns what stops it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def get(self, kind_id: str, namespace: str, name: str) -> Item | None:
        """One object, or None."""
        return self._tables.get(kind_id, {}).get((namespace, name))

    def find(self, kind_id: str, namespace: str, name: str) -> Json | None:
        """One object as JSON, or None."""
        item = self.get(kind_id, namespace, name)
        return item.obj if item else None

    def items(self, kind_id: str, namespace: str = "") -> list[Item]:
        """The objects of a kind, of one namespace or of all, by namespace and name."""
        table = self._tables.get(kind_id, {})
        return [table[key] for key in sorted(table) if not namespace or key[0] == namespace]

    def all(self, kind_id: str, namespace: str = "") -> Iterator[Json]:
        """The objects of a kind as JSON, in no particular order."""
        for key, item in list(self._tables.get(kind_id, {}).items()):
            if not namespace or key[0] == namespace:
                yield item.obj

    def kinds(self) -> list[str]:
        """Ids of the kinds of which there are objects."""
        return [kind_id for kind_id, table in self._tables.items() if table]

    def put(self, kind_id: str, obj: Json) -> Item:
        """Store a new state of an object; its resourceVersion is set here."""
        meta = obj["metadata"]
        key = (meta.get("namespace", ""), meta["name"])
        table = self._tables.setdefault(kind_id, {})
        before = table.get(key)
        self.revision += 1
        meta["resourceVersion"] = str(self.revision)
        item = table[key] = Item(obj)
        self._publish(Change(self.revision, "MODIFIED" if before else "ADDED", kind_id, item, before))
        return item

    def remove(self, kind_id: str, namespace: str, name: str) -> Json | None:
        """Remove an object and return its last state."""
        before = self._tables.get(kind_id, {}).pop((namespace, name), None)
        if before is None:
            return None
        self.revision += 1
        last = {**before.obj, "metadata": {**before.obj["metadata"], "resourceVersion": str(self.revision)}}
        self._publish(Change(self.revision, "DELETED", kind_id, Item(last), before))
        return last

    def since(self, kind_id: str, revision: int) -> list[Change]:
        """The changes to a kind after that revision.

        Raises:
            GoneError: they are no longer kept.
        """
        if revision < self._forgotten:
            raise GoneError
        start = bisect_right(self._history, revision, key=lambda c: c.revision)
        return [c for i, c in enumerate(self._history) if i >= start and c.kind_id == kind_id]

    def _publish(self, change: Change) -> None:
        if len(self._history) == HISTORY:
            self._forgotten = self._history[0].revision
        self._history.append(change)
        for listener in list(self._listeners):
            listener(change)

    def dump(self) -> Json:
        """Everything as JSON values, but for events: they are kept for an hour at most anyway."""
        kept = {kind: table for kind, table in self._tables.items() if kind != "events"}
        return {
            "revision": self.revision,
            "objects": {kind: [item.obj for item in table.values()] for kind, table in kept.items()},
        }

    def dump_json(self) -> str:
        """What `dump` gives as JSON text, joined from the texts that answers are made of."""
        tables = (
            f'"{kind}":[{",".join(item.raw.decode() for item in table.values())}]'
            for kind, table in self._tables.items()
            if kind != "events"
        )
        return f'{{"revision":{self.revision},"objects":{{{",".join(tables)}}}}}'

    def load(self, state: Json) -> None:
        """Take up what `dump` gave; watches from before are told that their revision is gone."""
        self.revision = int(state["revision"])
        self._forgotten = self.revision
        self._tables = {
            kind: {(o["metadata"].get("namespace", ""), o["metadata"]["name"]): Item(o) for o in objects}
            for kind, objects in state["objects"].items()
        }

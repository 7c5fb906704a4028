"""The resources that exist: records, their rendering and their indexes."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .bodies import Json, merged
from .names import GROUPS, ResourceId

_NAMESPACE = uuid.UUID("6f0f6a1c-6f0e-4c52-9d3b-0c1a5f3a4f10")
DELETING = "Deleting"
SUCCEEDED = "Succeeded"
FAILED = "Failed"


@dataclass(slots=True)
class Resource:
    """One resource.

    Attributes:
        id: where it is.
        type: its type in ARM's usual spelling.
        location: normalised region; empty where the type has none.
        desired: the intent of the last accepted request.
        computed: what the provider adds; wins over `desired`.
        state: its provisioningState.
        version: counted up by every change; the etag follows from it.
        operation: id of the operation in progress; empty when there is none.
    """

    id: ResourceId
    type: str
    location: str
    desired: Json
    computed: Json
    state: str
    version: int = 1
    operation: str = ""
    shows_state: bool = True
    has_etag: bool = False
    key: str = field(init=False)
    _body: Json | None = None
    _bytes: bytes | None = None
    _kept: str | None = None

    def __post_init__(self) -> None:
        self.key = self.id.key

    @property
    def busy(self) -> bool:
        """Whether it is being changed."""
        return bool(self.operation)

    @property
    def etag(self) -> str:
        """Changes with every version."""
        return f'W/"{uuid.uuid5(_NAMESPACE, f"{self.key}#{self.version}")}"'

    def own_body(self) -> Json:
        """The body without nested resources."""
        body: Json = {"id": self.id.text, "name": self.id.name, "type": self.type}
        if self.has_etag:
            body["etag"] = self.etag
        body = merged(merged(body, self.desired), self.computed)
        if self.location:
            body["location"] = self.location
        if self.shows_state:
            body["properties"] = {**body.get("properties", {}), "provisioningState": self.state}
        return body

    def touched(self) -> None:
        """It, or something nested in it, has changed."""
        self._body = None
        self._bytes = None
        self._kept = None


class Store:
    """All resources by key, in order of creation, with nested ones found by their parent."""

    def __init__(self) -> None:
        self._all: dict[str, Resource] = {}
        self._children: dict[str, dict[str, Resource]] = {}
        self._by_type: dict[str, dict[str, Resource]] = {}
        self._inline: dict[str, tuple[str, bool]] = {}

    def show_inline(self, child_type: str, prop: str, *, flat: bool) -> None:
        """Show resources of a nested type in a property of their parent; `flat` without id and properties."""
        self._inline[child_type.lower()] = (prop, flat)

    def __len__(self) -> int:
        return len(self._all)

    def get(self, key: str) -> Resource | None:
        """The resource with that key (an id in lower case)."""
        return self._all.get(key)

    def put(self, resource: Resource) -> None:
        """Add a resource."""
        self._all[resource.key] = resource
        self._by_type.setdefault(resource.type.lower(), {})[resource.key] = resource
        if resource.id.parent:
            self._children.setdefault(resource.id.parent, {})[resource.key] = resource
        self.touched(resource)

    def touched(self, resource: Resource) -> None:
        """Forget what was rendered of it and of those that show it."""
        resource.touched()
        parent = self._all.get(resource.id.parent)
        while parent is not None:
            parent.touched()
            parent = self._all.get(parent.id.parent)

    def remove(self, key: str) -> Resource | None:
        """Remove a resource; nested ones must be gone before."""
        resource = self._all.pop(key, None)
        if resource is not None:
            self._children.get(resource.id.parent, {}).pop(key, None)
            self._by_type[resource.type.lower()].pop(key, None)
            self.touched(resource)
        return resource

    def children(self, key: str, kind: str = "") -> list[Resource]:
        """Resources directly below another one, or below a group or scope; `kind` is a full type."""
        found = self._children.get(key, {}).values()
        wanted = kind.lower()
        return [r for r in found if not wanted or r.type.lower() == wanted]

    def below(self, key: str) -> list[Resource]:
        """All resources below another one, deepest first."""
        found: list[Resource] = []
        for child in list(self._children.get(key, {}).values()):
            found += self.below(child.key)
            found.append(child)
        return found

    def __iter__(self) -> Iterator[Resource]:
        return iter(list(self._all.values()))

    def of_type(self, kind: str) -> list[Resource]:
        """All resources of a full type."""
        return list(self._by_type.get(kind.lower(), {}).values())

    def body(self, resource: Resource) -> Json:
        """The body as it is answered, nested resources shown; treat it as read-only."""
        if resource._body is None:
            resource._body = self._with_children(resource)
        return resource._body

    def rendered(self, resource: Resource) -> bytes:
        """The body as JSON."""
        if resource._bytes is None:
            resource._bytes = json.dumps(self.body(resource), separators=(",", ":")).encode()
        return resource._bytes

    def _with_children(self, resource: Resource) -> Json:
        body = resource.own_body()
        shown: Json = {}
        for child_type, (prop, flat) in self._inline.items():
            if child_type.rsplit("/", 1)[0] == resource.type.lower():
                children = self.children(resource.key, child_type)
                shown[prop] = [_flat(c) if flat else self.body(c) for c in children]
        if shown:
            body["properties"] = {**body.get("properties", {}), **shown}
        return body

    def dump_json(self) -> str:
        """State as JSON text; what didn't change since the last time isn't written out anew."""
        return f"[{','.join(map(_kept, self._all.values()))}]"

    def load(self, state: object) -> None:
        """Take up a state that `dump_json` gave, parsed."""
        if not isinstance(state, list):
            raise TypeError("state of the resources isn't a list")
        for values in state:
            self.put(_loaded(values))


def _flat(child: Resource) -> Json:
    body = child.own_body()
    return {"name": body["name"], **body["properties"]}


def _kept(resource: Resource) -> str:
    if resource._kept is None:
        resource._kept = json.dumps(_dumped(resource), separators=(",", ":"))
    return resource._kept


def _dumped(resource: Resource) -> Json:
    place = resource.id
    return {
        "id": [place.subscription, place.group, place.type, list(place.names), place.scope],
        "type": resource.type,
        "location": resource.location,
        "desired": resource.desired,
        "computed": resource.computed,
        "state": resource.state,
        "version": resource.version,
        "operation": resource.operation,
        "shows_state": resource.shows_state,
        "has_etag": resource.has_etag,
    }


def _loaded(values: Mapping[str, Any]) -> Resource:
    given = dict(values)
    subscription, group, kind, names, scope = given.pop("id")
    return Resource(id=ResourceId(subscription, group, kind, tuple(names), scope), **given)


def is_group(resource: Resource) -> bool:
    """Whether a resource is a resource group."""
    return resource.type == GROUPS

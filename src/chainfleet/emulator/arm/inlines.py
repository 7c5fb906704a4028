"""Committing a resource together with the nested resources that its body carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .bodies import Json, covers, intent, value_at
from .catalogue import Catalogue
from .errors import ArmError, bad_request
from .kinds import Draft, Inline, Kind, require
from .names import ResourceId
from .resources import SUCCEEDED, Resource, Store

if TYPE_CHECKING:
    from .world import World

# Stands for the operation of nested resources until their parent's operation has an id.
_TOGETHER = "together"


class Inlines:
    """Writes resources with their nested ones, all or nothing."""

    def __init__(self, store: Store, catalogue: Catalogue, world: World) -> None:
        self._store = store
        self._catalogue = catalogue
        self._world = world

    def commit(self, kind: Kind, draft: Draft) -> Resource:
        """Write a checked draft and its nested resources.

        Raises:
            ArmError: a nested resource breaks its rules; nothing is changed then.
        """
        current = draft.current
        before = None if current is None else (current.desired, current.computed, current.version)
        nested = {r.key: (r, r.desired, r.computed, r.version) for r in self._store.children(draft.id.key)}
        resource = self._write(kind, draft)
        try:
            for inline in kind.inline:
                self._commit_nested(resource, inline)
        except ArmError:
            self._restore(resource, before, nested)
            raise
        return resource

    def differ(self, kind: Kind, draft: Draft) -> bool:
        """Whether the draft's lists ask for other nested resources than there are."""
        for inline in kind.inline:
            if self._left_out(draft.id, draft.wanted, inline):
                return True
            listed = value_at(draft.wanted, f"properties.{inline.prop}")
            for entry in listed if isinstance(listed, list) else ():
                child = self._store.get(draft.id.child(inline.kind, str(entry.get("name"))).key)
                if child is None or not covers(child.own_body(), _entry_intent(entry, inline)):
                    return True
        return False

    def mark(self, resource: Resource, state: str, operation: str) -> None:
        """Set the state of a resource and of the nested ones that are changed together with it."""
        shared = _TOGETHER if operation else resource.operation
        together = [r for r in self._store.children(resource.key) if r.operation == shared != ""]
        for each in [*together, resource]:
            each.state, each.operation = state, operation
            each.version += 1
            self._store.touched(each)

    def _write(self, kind: Kind, draft: Draft) -> Resource:
        computed, wanted = kind.computed(draft, self._world), kind.stored(draft.wanted)
        resource = draft.current
        if resource is None:
            place = replace(draft.id, type=kind.type)
            resource = Resource(
                place,
                kind.type,
                draft.location,
                wanted,
                computed,
                SUCCEEDED,
                shows_state=kind.shows_state,
                has_etag=kind.has_etag,
            )
            if draft.id.parent_type:
                resource.location = ""
        else:
            resource.desired, resource.computed = wanted, computed
            resource.version += 1
        self._store.put(resource)
        return resource

    def _commit_nested(self, resource: Resource, inline: Inline) -> None:
        listed = value_at(resource.desired, f"properties.{inline.prop}")
        if listed is None:
            return
        if not isinstance(listed, list) or not all(isinstance(entry, Mapping) for entry in listed):
            raise bad_request(
                "InvalidRequestFormat", f"'{inline.prop}' must be a list of objects.", inline.prop
            )
        for entry in self._left_out(resource.id, resource.desired, inline):
            child = self._store.get(entry)
            if child is not None:
                self._catalogue.find(child.type).may_delete(child, self._world)
                self._store.remove(entry)
        for entry in listed:
            self._commit_entry(resource, inline, entry)

    def _commit_entry(self, resource: Resource, inline: Inline, entry: Mapping[str, Any]) -> None:
        name = entry.get("name")
        if not isinstance(name, str) or not name:
            raise bad_request(
                "InvalidRequestFormat", f"An entry of '{inline.prop}' lacks its name.", inline.prop
            )
        place = resource.id.child(inline.kind, name)
        kind = self._catalogue.find(place.type)
        wanted = _entry_intent(entry, inline)
        current = self._store.get(place.key)
        if current is not None and current.desired == wanted:
            return
        require(kind, wanted)
        draft = Draft(place, resource.location, wanted, current)
        kind.check(draft, self._world)
        child = self._write(kind, draft)
        child.operation = _TOGETHER

    def _left_out(self, place: ResourceId, wanted: Json, inline: Inline) -> list[str]:
        listed = value_at(wanted, f"properties.{inline.prop}")
        if not inline.replaces or not isinstance(listed, list):
            return []
        names = {str(e.get("name")).lower() for e in listed if isinstance(e, Mapping)}
        kind = f"{place.type}/{inline.kind}"
        return [r.key for r in self._store.children(place.key, kind) if r.id.name.lower() not in names]

    def _restore(
        self,
        resource: Resource,
        before: tuple[Json, Json, int] | None,
        nested: Mapping[str, tuple[Resource, Json, Json, int]],
    ) -> None:
        for child in self._store.children(resource.key):
            if child.key not in nested:
                self._store.remove(child.key)
        for child, desired, computed, version in nested.values():
            child.desired, child.computed, child.version = desired, computed, version
            self._store.put(child)
        if before is None:
            self._store.remove(resource.key)
        else:
            resource.desired, resource.computed, resource.version = before
            self._store.touched(resource)


def _entry_intent(entry: Mapping[str, Any], inline: Inline) -> Json:
    if not inline.flat:
        return intent({k: v for k, v in entry.items() if k != "name"})
    return intent({"properties": {k: v for k, v in entry.items() if k != "name"}})

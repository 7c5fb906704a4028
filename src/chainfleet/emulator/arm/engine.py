"""Writes and deletions of resources: rules in ARM's order, and the operations that follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chainfleet.emulator.clock import ScaledClock
from chainfleet.emulator.seams import FaultKind

from .bodies import Json, intent, patched, same_intent
from .catalogue import Catalogue
from .durations import Duration
from .errors import ArmError, bad_request, group_not_found, not_found
from .inlines import Inlines
from .kinds import Draft, Kind, Style, require
from .locations import Locations
from .names import GROUPS, ResourceId
from .operations import Operation, Operations, Work
from .resources import DELETING, FAILED, SUCCEEDED, Resource
from .strikes import Strikes
from .world import World


@dataclass(frozen=True, slots=True)
class Reply:
    """How a write ends, before it becomes an HTTP response."""

    status: int
    resource: Resource | None = None
    operation: Operation | None = None
    changed: bool = True


class Engine:
    """Carries out PUT, PATCH and DELETE on resources.

    Args:
        changed: called after every change, so that the state is kept.
    """

    def __init__(
        self,
        world: World,
        clock: ScaledClock,
        catalogue: Catalogue,
        locations: Locations,
        changed: Callable[[], None],
    ) -> None:
        self.world = world
        self.operations = Operations(clock, self._finish, changed)
        self._clock = clock
        self._catalogue = catalogue
        self._locations = locations
        self._changed = changed
        self._strikes = Strikes(world.faults)
        self._inlines = Inlines(world.store, catalogue, world)
        self._held: set[str] = set()

    async def put(self, place: ResourceId, body: Mapping[str, Any], api_version: str) -> Reply:
        """Create or replace a resource.

        Raises:
            ArmError: refused.
        """
        kind = self._catalogue.find(place.type)
        draft = self._draft(kind, place, body)
        if self._is_same(draft):
            return Reply(200, draft.current, changed=False)
        failure = self._strikes.write(kind.type, place, draft)
        if kind.style is Style.HELD:
            if failure is not None:
                raise failure
            await self._hold(kind, draft)
            draft = self._draft(kind, place, body)
        created = draft.current is None
        resource = self._inlines.commit(kind, draft)
        operation = None
        if kind.style is Style.HELD:
            await kind.arrived(resource, self.world)
        else:
            operation = self._begin(kind, resource, created=created, api_version=api_version)
            if failure is not None:
                operation.error, operation.error_status = failure.error(), failure.status
        self._changed()
        shown = operation if kind.style is Style.HEADERS else None
        return Reply(201 if created else 200, resource, shown)

    async def patch(self, place: ResourceId, patch: Mapping[str, Any], api_version: str) -> Reply:
        """Change parts of a resource.

        Raises:
            ArmError: refused.
        """
        resource = self.existing(place)
        return await self.put(
            place, patched({"location": resource.location, **resource.desired}, patch), api_version
        )

    async def delete(self, place: ResourceId, api_version: str) -> Reply:
        """Delete a resource and everything nested in it.

        Raises:
            ArmError: refused.
        """
        kind = self._catalogue.find(place.type)
        resource = self.world.store.get(place.key)
        if resource is None:
            if place.type != GROUPS:
                self._require_group(place)
                return Reply(204, changed=False)
            raise group_not_found(place.group)
        if resource.state == DELETING and resource.operation:
            return Reply(202, resource, self.operations.get(resource.operation), changed=False)
        self._refuse_deleting_group(place)
        busy = None if place.type == GROUPS else kind.busy_with(resource, self.world)
        if busy is not None:
            raise self._conflict(busy)
        kind.may_delete(resource, self.world)
        self._strikes.deletion(kind.type, resource)
        if kind.delete_style is Style.HELD:
            await self._clock.sleep(self._seconds(kind, kind.delete, resource.id, resource.location))
            await self._remove(resource.key)
            return Reply(200)
        return Reply(202, resource, self._begin_deletion(kind, resource, api_version))

    def existing(self, place: ResourceId) -> Resource:
        """The resource at a place.

        Raises:
            ArmError: 404, with the code that tells what is missing.
        """
        resource = self.world.store.get(place.key)
        if resource is None:
            self._require_group(place)
            if place.type == GROUPS:
                raise group_not_found(place.group)
            self._require_parent(place, "read")
            raise not_found(place.type, "/".join(place.names), place.group)
        return resource

    def region_of(self, place: ResourceId, body: Mapping[str, Any] | None = None) -> str:
        """The region that a request concerns, as far as can be told; empty for none."""
        store = self.world.store
        known = store.get(place.key) if place.names else None
        if known is None and body is not None and len(place.names) == 1 and not place.scope:
            given = self._locations.normalise(body.get("location"))
            if given:
                return given
        while known is None or not known.location:
            parent = (
                known.id.parent if known is not None else (place.parent if place.names else _group_key(place))
            )
            known = store.get(parent) if parent else None
            if known is None:
                group = store.get(_group_key(place))
                return group.location if group else ""
        return known.location

    def _draft(self, kind: Kind, place: ResourceId, body: Mapping[str, Any]) -> Draft:
        self._require_group(place)
        parent = self._require_parent(place, "write")
        self._refuse_deleting_group(place)
        wanted = intent(body)
        require(kind, wanted)
        current = self.world.store.get(place.key)
        location = self._location(kind, place, wanted, current)
        if not location and parent is not None and not place.scope and place.parent_type:
            location = parent.location
        draft = Draft(place, location, wanted, current)
        if current is not None:
            busy = kind.busy_with(current, self.world)
        else:
            busy = kind.may_create(draft, self.world)
        if busy is not None:
            raise self._conflict(busy)
        kind.check(draft, self.world)
        return draft

    def _is_same(self, draft: Draft) -> bool:
        current = draft.current
        if current is None or current.state != SUCCEEDED:
            return False
        kind = self._catalogue.find(current.type)
        wanted, before = dict(kind.stored(draft.wanted)), dict(current.desired)
        wanted.pop("location", None)
        before.pop("location", None)
        body = self.world.store.body(current)
        if not same_intent(before, wanted, body):
            return False
        return not self._inlines.differ(kind, draft)

    def _location(self, kind: Kind, place: ResourceId, wanted: Json, current: Resource | None) -> str:
        given = wanted.get("location")
        if given is None or given == "global":
            return ""
        location = self._locations.normalise(given)
        if location is None:
            raise bad_request(
                "LocationNotAvailableForResourceType",
                f"The provided location '{given}' is not available for resource type '{kind.type}'. "
                f"List of available regions for the resource type is '{self._locations.names}'.",
            )
        if current is not None and current.location and location != current.location:
            raise _moved(place, current, location)
        return location

    def _require_group(self, place: ResourceId) -> None:
        if place.group and place.type != GROUPS and self.world.store.get(_group_key(place)) is None:
            raise group_not_found(place.group)

    def _require_parent(self, place: ResourceId, action: str) -> Resource | None:
        key = place.parent
        parent = self.world.store.get(key) if key else None
        if parent is None and place.parent_type:
            raise ArmError(
                404,
                "ParentResourceNotFound",
                f"Failed to perform '{action}' on resource(s) of type "
                f"'{place.type.split('/', 1)[1]}', because the "
                f"parent resource '{place.up().text}' could not be found.",
            )
        if parent is None and place.scope:
            raise not_found(
                place.scope.split("/providers/")[-1].rsplit("/", 1)[0],
                place.scope.rsplit("/", 1)[1],
                place.group,
            )
        return parent

    def _refuse_deleting_group(self, place: ResourceId) -> None:
        group = self.world.store.get(_group_key(place)) if place.group else None
        if group is not None and group.state == DELETING:
            raise self._conflict(group)

    def _conflict(self, busy: Resource) -> ArmError:
        kind = self._catalogue.find(busy.type)
        return ArmError(409, kind.busy_code, kind.busy_message(busy))

    async def _hold(self, kind: Kind, draft: Draft) -> None:
        lock = f"{kind.type}@{draft.id.parent}"
        if kind.alone_code:
            if lock in self._held:
                raise ArmError(
                    409,
                    kind.alone_code,
                    "Too many concurrent writes of this type below one parent. Please write them one by one.",
                )
            self._held.add(lock)
        duration = kind.create if draft.current is None else kind.update
        try:
            await self._clock.sleep(self._seconds(kind, duration, draft.id, draft.location))
        finally:
            self._held.discard(lock)

    def _seconds(
        self, kind: Kind, duration: Duration, place: ResourceId, location: str, version: int = 0
    ) -> float:
        region = location or self.region_of(place)
        seconds = self.world.dice.seconds(duration, region, place.key, duration.median_s, version)
        slow = self.world.faults.strike(FaultKind.SLOW, region=region, resource=kind.type.lower())
        return seconds * slow.factor if slow else seconds

    def _begin(self, kind: Kind, resource: Resource, *, created: bool, api_version: str) -> Operation:
        region = self.region_of(resource.id)
        duration = kind.create if created else kind.update
        seconds = self._seconds(kind, duration, resource.id, region, resource.version)
        version = kind.operation_version or api_version
        operation = self.operations.new(Work.WRITE, resource.key, kind.type, region, seconds, version)
        self._inlines.mark(resource, kind.creating if created else kind.updating, operation.id)
        self.operations.start(operation)
        return operation

    def _begin_deletion(self, kind: Kind, resource: Resource, api_version: str) -> Operation:
        region = self.region_of(resource.id)
        seconds = self._seconds(kind, kind.delete, resource.id, region)
        if resource.type == GROUPS:
            inside = self.world.store.below(resource.key)
            seconds += max((self._deletion_seconds(r) for r in inside), default=0.0)
            for each in inside:
                self.operations.abandon(each.operation)
                each.operation = ""
        version = kind.operation_version or api_version
        operation = self.operations.new(Work.DELETE, resource.key, kind.type, region, seconds, version)
        resource.state, resource.operation = DELETING, operation.id
        resource.version += 1
        self.world.store.touched(resource)
        self.operations.start(operation)
        return operation

    def _deletion_seconds(self, resource: Resource) -> float:
        kind = self._catalogue.find(resource.type)
        return self._seconds(kind, kind.delete, resource.id, resource.location)

    async def _finish(self, operation: Operation) -> None:
        resource = self.world.store.get(operation.key)
        if resource is None or resource.operation != operation.id:
            return
        if operation.work is Work.DELETE:
            await self._remove(operation.key)
            return
        try:
            if operation.error is None:
                await self._catalogue.find(resource.type).arrived(resource, self.world)
        except BaseException:
            self._inlines.mark(resource, FAILED, "")
            raise
        self._inlines.mark(resource, FAILED if operation.error else SUCCEEDED, "")

    async def _remove(self, key: str) -> None:
        store = self.world.store
        for each in store.below(key):
            store.remove(each.key)
            await self._catalogue.find(each.type).gone(each, self.world)
        resource = store.remove(key)
        if resource is not None:
            await self._catalogue.find(resource.type).gone(resource, self.world)
        self._changed()


def _group_key(place: ResourceId) -> str:
    return f"/subscriptions/{place.subscription}/resourcegroups/{place.group}".lower()


def _moved(place: ResourceId, current: Resource, location: str) -> ArmError:
    if place.type == GROUPS:
        return ArmError(
            409,
            "InvalidResourceGroupLocation",
            f"Invalid resource group location '{location}'. The Resource group already exists in location "
            f"'{current.location}'.",
        )
    return ArmError(
        409,
        "InvalidResourceLocation",
        f"The resource '{place.name}' already exists in location '{current.location}' in resource group "
        f"'{place.group}'. A resource with the same name cannot be created in location '{location}'. "
        "Please select a new resource name.",
    )

"""What a resource type is: its rules, its computed properties, how long it takes and how it reports that."""

# ruff: noqa: ARG002 - hooks: subclasses use what the defaults have no need of

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, ClassVar

from .bodies import Json, value_at
from .durations import Duration
from .errors import bad_request

if TYPE_CHECKING:
    from .names import ResourceId
    from .resources import Resource
    from .world import World


class Style(Enum):
    """How a write of a type ends."""

    HELD = "held"
    """The answer comes when the work is done."""
    HEADERS = "headers"
    """201/200 at once with `Azure-AsyncOperation`; deletes 202 with `Location` as well."""
    BODY = "body"
    """201/200 at once, and the resource's provisioningState tells (key vaults, workspaces)."""


@dataclass(frozen=True, slots=True)
class Inline:
    """Nested resources that the parent's body carries in a property.

    Attributes:
        prop: property of the parent.
        kind: last segment of the nested type.
        flat: name and properties in one object rather than `{"name", "properties"}`.
        replaces: whether a list in a request removes those that it leaves out.
    """

    prop: str
    kind: str
    flat: bool = False
    replaces: bool = True


@dataclass(frozen=True, slots=True)
class Draft:
    """A write that is being considered.

    Attributes:
        id: where.
        location: normalised region; empty where the type has none.
        wanted: the request's intent.
        current: what is there; None for a creation.
    """

    id: ResourceId
    location: str
    wanted: Json
    current: Resource | None

    def prop(self, path: str) -> object:
        """A value below `properties`, or None."""
        return value_at(self.wanted, f"properties.{path}")


class Kind:
    """A resource type; this class is the behaviour of every type that has no class of its own."""

    type: str = ""
    style: ClassVar[Style] = Style.HEADERS
    delete_style: ClassVar[Style] = Style.HEADERS
    create: ClassVar[Duration] = Duration(5.0)
    update: ClassVar[Duration] = Duration(4.0)
    delete: ClassVar[Duration] = Duration(5.0)
    required: ClassVar[tuple[str, ...]] = ()
    needs_location: ClassVar[bool] = False
    inline: ClassVar[tuple[Inline, ...]] = ()
    creating: ClassVar[str] = "Updating"
    updating: ClassVar[str] = "Updating"
    shows_state: ClassVar[bool] = True
    has_etag: ClassVar[bool] = False
    busy_code: ClassVar[str] = "AnotherOperationInProgress"
    alone_code: ClassVar[str] = ""
    """Error code when two writes below one parent meet; empty where they may."""
    operation_version: ClassVar[str] = ""
    """api-version of operation URLs; empty means the request's own."""

    def __init__(self, type_name: str = "") -> None:
        self.type = type_name or self.type

    def check(self, draft: Draft, world: World) -> None:
        """Refuse a draft that breaks the type's rules; `require` has been called before.

        Raises:
            ArmError: with the provider's code.
        """

    def computed(self, draft: Draft, world: World) -> Json:
        """Read-only parts of the body, and defaults that aren't in the request."""
        return {}

    def stored(self, wanted: Json) -> Json:
        """What of an accepted request is kept and shown; write-only parts are left out."""
        return wanted

    def busy_with(self, resource: Resource, world: World) -> Resource | None:
        """What is being changed and so keeps this resource from being changed."""
        return resource if resource.busy else None

    def may_create(self, draft: Draft, world: World) -> Resource | None:
        """What is being changed and so keeps this resource from being created."""
        return None

    def may_delete(self, resource: Resource, world: World) -> None:
        """Refuse a deletion, e.g. of something in use."""

    async def arrived(self, resource: Resource, world: World) -> None:
        """The write is done in the real world; called before the state becomes Succeeded."""

    async def gone(self, resource: Resource, world: World) -> None:
        """The resource has been deleted."""

    def busy_message(self, resource: Resource) -> str:
        """Text of the conflict while a resource is being changed."""
        return (
            f"Another operation on this or dependent resource is in progress. To retrieve status of the "
            f"operation use uri of operation {resource.operation}."
        )


def require(kind: Kind, wanted: Mapping[str, object]) -> None:
    """Refuse a body that lacks a required property.

    Raises:
        ArmError: 400 `LocationRequired` or `InvalidRequestFormat`/`MissingRequiredProperty`.
    """
    if kind.needs_location and not wanted.get("location"):
        raise bad_request("LocationRequired", "The location property is required for this definition.")
    for path in kind.required:
        if value_at(wanted, path) in (None, "", [], {}):
            raise bad_request(
                "InvalidRequestFormat",
                f"Cannot parse the request: required property '{path}' is missing or empty.",
                target=path,
            )

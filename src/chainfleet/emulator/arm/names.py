"""ARM ids: what a request's path names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import ArmError, bad_request

GROUPS = "Microsoft.Resources/resourceGroups"
_NAME = re.compile(r"^[^<>%&\\?/#\x00-\x1f]{1,260}$")
_GROUP = re.compile(r"^[-\w._()]{1,90}(?<!\.)$")


@dataclass(frozen=True, slots=True)
class ResourceId:
    """A resource's place.

    Attributes:
        subscription: id of the subscription in lower case; empty for tenant-wide resources.
        group: name of the resource group as given; empty outside of groups.
        type: full type as given, e.g. `Microsoft.Network/virtualNetworks/subnets`.
        names: one name per segment of the type, the last being the resource's own.
        scope: the id that an extension resource belongs to, as given; empty for all others.
    """

    subscription: str
    group: str
    type: str
    names: tuple[str, ...]
    scope: str = ""

    @property
    def name(self) -> str:
        """The resource's own name."""
        return self.names[-1]

    @property
    def text(self) -> str:
        """The id in ARM's usual spelling."""
        if self.type == GROUPS:
            return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
        namespace, *kinds = self.type.split("/")
        tail = "/".join(f"{kind}/{name}" for kind, name in zip(kinds, self.names, strict=True))
        return f"{self.scope or self._base}/providers/{namespace}/{tail}"

    @property
    def key(self) -> str:
        """The id in lower case: ids are compared without regard to case."""
        return self.text.lower()

    @property
    def parent(self) -> str:
        """Key of what must exist first: parent resource, scope or group; empty if nothing must."""
        if self.type == GROUPS:
            return ""
        if len(self.names) > 1:
            return self.up().key
        return (self.scope or (self._base if self.group else "")).lower()

    @property
    def parent_type(self) -> str:
        """Type of the parent resource; empty for resources directly in a group or scope."""
        return self.type.rsplit("/", 1)[0] if len(self.names) > 1 else ""

    @property
    def _base(self) -> str:
        if not self.subscription:
            return ""
        base = f"/subscriptions/{self.subscription}"
        return f"{base}/resourceGroups/{self.group}" if self.group else base

    def up(self) -> ResourceId:
        """The parent resource's id, for a nested resource."""
        return ResourceId(
            self.subscription, self.group, self.type.rsplit("/", 1)[0], self.names[:-1], self.scope
        )

    def child(self, kind: str, name: str) -> ResourceId:
        """The id of a resource nested in this one."""
        return ResourceId(
            self.subscription, self.group, f"{self.type}/{kind}", (*self.names, name), self.scope
        )


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names: a resource, a collection (`id.names` lacks the last name) or an action."""

    id: ResourceId
    collection: bool = False
    action: str = ""


def parse_target(segments: list[str], *, is_post: bool) -> Target:
    """Read a path below `/`, split at its slashes.

    Raises:
        ArmError: 400 or 404 for a path that names nothing in ARM.
    """
    lower = [segment.lower() for segment in segments]
    subscription = lower[1] if len(lower) > 1 and lower[0] == "subscriptions" else ""
    group = segments[3] if subscription and len(lower) > 3 and lower[2] == "resourcegroups" else ""
    if "providers" not in lower:
        return _group_target(segments, lower, subscription, group)
    at = len(lower) - 1 - lower[::-1].index("providers")
    if len(segments) < at + 3:
        raise ArmError(
            404, "InvalidResourceType", f"The path '/{'/'.join(segments)}' names no resource type."
        )
    base = 0 if not subscription else 4 if group else 2
    scope = "/" + "/".join(segments[:at]) if at > base else ""
    namespace, rest = segments[at + 1], segments[at + 2 :]
    action = rest.pop() if is_post and len(rest) % 2 else ""
    kinds, names = rest[0::2], rest[1::2]
    for name in names:
        if not _NAME.match(name):
            raise bad_request("InvalidResourceName", f"Resource name '{name}' is invalid.")
    full = ResourceId(subscription, group, "/".join([namespace, *kinds]), tuple(names), scope)
    return Target(full, collection=len(kinds) != len(names), action=action)


def _group_target(segments: list[str], lower: list[str], subscription: str, group: str) -> Target:
    if group and len(segments) == 4:
        if not _GROUP.match(group):
            raise bad_request(
                "InvalidResourceGroup",
                f"The provided resource group name '{group}' has these invalid characters or length: "
                "only alphanumeric characters, periods, underscores, hyphens and parentheses, "
                "at most 90, not ending with a period.",
            )
        return Target(ResourceId(subscription, group, GROUPS, (group,)))
    if subscription and len(segments) == 3 and lower[2] == "resourcegroups":
        return Target(ResourceId(subscription, "", GROUPS, ()), collection=True)
    raise ArmError(404, "ResourceNotFound", f"No resource answers at '/{'/'.join(segments)}'.")

"""ARM ids and types, as `azapi_resource` writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TYPE = re.compile(r"^(?P<type>[A-Za-z0-9.]+(?:/[A-Za-z0-9]+)+)@(?P<version>\d{4}-\d{2}-\d{2}(?:-preview)?)$")
_GROUPS = "Microsoft.Resources/resourceGroups"


@dataclass(frozen=True, slots=True)
class ResourceId:
    """A resource and the API version to speak of it.

    Attributes:
        id: ARM id.
        type: `Microsoft.X/y`, without the version.
        version: API version.
        name: last part of the id.
        parent: id of what it lies in.
    """

    id: str
    type: str
    version: str
    name: str
    parent: str

    def __str__(self) -> str:
        return f'Resource: (ResourceId "{self.id}" / Api Version "{self.version}")'


def split_type(text: str) -> tuple[str, str]:
    """Split `Microsoft.X/y@version`; ValueError if it has another form."""
    match = _TYPE.match(text)
    if match is None:
        raise ValueError(f"`type` is invalid: expect `<resource-type>@<api-version>`, got {text}")
    return match["type"], match["version"]


def resource_id(name: str, parent: str, type_text: str) -> ResourceId:
    """The id of a resource; ValueError if the parent can't have such a child."""
    kind, version = split_type(type_text)
    if kind.lower() == _GROUPS.lower():
        return ResourceId(f"{parent}/resourceGroups/{name}", kind, version, name, parent)
    if kind.count("/") == 1:
        return ResourceId(f"{parent}/providers/{kind}/{name}", kind, version, name, parent)
    expected, last = kind.rsplit("/", 1)
    if _type_of(parent).lower() != expected.lower():
        raise ValueError(f"`parent_id is invalid`: expect ID of `{expected}`")
    return ResourceId(f"{parent}/{last}/{name}", kind, version, name, parent)


def parse(text: str) -> ResourceId:
    """Parse an id with `?api-version=`, as `terraform import` is given; ValueError if it has another form."""
    path, _, query = text.partition("?")
    version = next((part[12:] for part in query.split("&") if part.startswith("api-version=")), "")
    if not path.startswith("/") or not version:
        raise ValueError(f"parsing Resource ID \"{text}\": ID was missing the 'api-version' element")
    kind = _type_of(path)
    if not kind:
        raise ValueError(f'parsing Resource ID "{text}": no resource type in it')
    parent, _, name = path.rstrip("/").rpartition("/")
    parent = parent.rpartition("/")[0]
    if kind.count("/") == 1 and kind.lower() != _GROUPS.lower():
        parent = parent.rpartition("/providers/")[0]
    return ResourceId(path, kind, version, name, parent)


def _type_of(path: str) -> str:
    """Type of the resource that an id names; empty if it names none."""
    head, marker, tail = path.rpartition("/providers/")
    if marker:
        namespace, *rest = tail.strip("/").split("/")
        return "/".join([namespace, *rest[::2]]) if rest else ""
    parts = head.strip("/").split("/") if head else path.strip("/").split("/")
    if len(parts) == 4 and parts[2].lower() == "resourcegroups":
        return _GROUPS
    return "Microsoft.Resources/subscriptions" if len(parts) == 2 else ""

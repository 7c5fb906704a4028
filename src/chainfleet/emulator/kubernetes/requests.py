"""What a request asks for, read from its path and query."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from .errors import no_such_path
from .kinds import Kind, Kinds

_MANAGER = re.compile(r"^[^/\s]+")


@dataclass(frozen=True, slots=True)
class Target:
    """The resource, and perhaps object and subresource, that a path names."""

    kind: Kind
    namespace: str
    name: str
    subresource: str
    rest: str


def target(kinds: Kinds, path: str) -> Target:
    """Read a resource path such as `/apis/apps/v1/namespaces/besu/statefulsets/validator-0/scale`.

    Raises:
        ApiError: 404, the path isn't served.
    """
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) > 2:
        group, version, tail = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, tail = parts[1], parts[2], parts[3:]
    else:
        raise no_such_path()
    namespace = ""
    if (
        tail[0] == "namespaces"
        and len(tail) > 2
        and not (tail[2] in ("status", "finalize") and len(tail) == 3)
    ):
        namespace, tail = tail[1], tail[2:]
    kind = kinds.at(group, version, tail[0])
    if kind is None or (namespace and not kind.namespaced):
        raise no_such_path()
    name = unquote(tail[1]) if len(tail) > 1 else ""
    subresource = tail[2] if len(tail) > 2 else ""
    if subresource and subresource not in kind.subresources:
        raise no_such_path()
    return Target(kind, namespace, name, subresource, "/".join(tail[3:]))


def manager(query: Mapping[str, str], user_agent: str) -> str:
    """The field manager: named in the query, else the first word of the user agent."""
    if name := query.get("fieldManager"):
        return name
    found = _MANAGER.match(user_agent)
    return found.group(0) if found else "unknown"

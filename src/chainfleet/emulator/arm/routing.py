"""Which part of ARM answers a request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .answers import Answer, Asked, json_answer, page
from .bodies import Json
from .credentials import Credentials
from .engine import Engine, Reply
from .errors import ArmError, bad_request, group_not_found
from .filters import filtered
from .graph import query_resources
from .names import GROUPS, Target, parse_target
from .operations import Work
from .resources import Resource
from .subscription import Subscription

_VERSION = re.compile(r"^\d{4}-\d{2}-\d{2}(-[a-z]+(\.\d+)?)?$", re.IGNORECASE)
_TRACKED = ("id", "name", "type", "kind", "location", "tags", "sku", "identity", "zones")
_RETRY_AFTER_S = 10.0
"""What providers suggest between two looks at an operation, in emulated seconds."""


class Router:
    """Finds what a request names and has it answered.

    Args:
        time_scale: emulated seconds per real second, for Retry-After.
    """

    def __init__(
        self, engine: Engine, subscription: Subscription, credentials: Credentials, *, time_scale: float
    ) -> None:
        self._engine = engine
        self._subscription = subscription
        self._credentials = credentials
        self._time_scale = time_scale
        self._store = engine.world.store

    def target(self, asked: Asked) -> Target | None:
        """The resource, collection or action that a path names; None for paths of another kind.

        Raises:
            ArmError: 404 or 400.
        """
        lower = [segment.lower() for segment in asked.segments]
        if not lower or lower[0] not in ("subscriptions", "providers", "tenants"):
            raise ArmError(404, "InvalidResourceType", f"No resource answers at '{asked.path}'.")
        if lower[0] == "tenants" or len(lower) < 3 or _is_special(lower):
            return None
        return parse_target(list(asked.segments), is_post=asked.verb == "POST")

    def region(self, target: Target, body: Mapping[str, Any]) -> str:
        """The region that a request concerns."""
        return self._engine.region_of(target.id, body)

    async def answer(self, asked: Asked, target: Target | None) -> Answer:
        """Answer an admitted request.

        Raises:
            ArmError: refused.
        """
        if not _VERSION.match(asked.api_version):
            raise bad_request(
                "InvalidApiVersionParameter",
                f"The api-version '{asked.api_version}' is invalid. It must be a date, e.g. 2024-05-01.",
            )
        if target is None:
            return self._special(asked)
        if target.action:
            return self._action(asked, target)
        if target.collection:
            return self._list(asked, target)
        return await self._resource(asked, target)

    def _special(self, asked: Asked) -> Answer:
        lower = [segment.lower() for segment in asked.segments]
        if lower == ["tenants"]:
            return json_answer(self._subscription.tenants())
        if lower == ["subscriptions"]:
            return json_answer({"value": [self._subscription.subscription()]})
        if lower == ["providers", "microsoft.resourcegraph", "resources"] and asked.verb == "POST":
            return json_answer(query_resources(self._store, asked.body))
        if lower[-1] == "resources" and asked.verb == "GET":
            return self._tracked(asked, lower)
        answer = self._subscription.answer(asked) if lower[0] == "subscriptions" else None
        if answer is None:
            raise ArmError(404, "InvalidResourceType", f"No resource answers {asked.verb} at '{asked.path}'.")
        return answer

    async def _resource(self, asked: Asked, target: Target) -> Answer:
        place = target.id
        match asked.verb:
            case "GET":
                return Answer(200, self._store.rendered(self._engine.existing(place)))
            case "HEAD":
                return Answer(204 if self._store.get(place.key) else 404)
            case "PUT":
                self._subscription.require_registered(place.type)
                return self._replied(asked, await self._engine.put(place, asked.body, asked.api_version))
            case "PATCH":
                return self._replied(asked, await self._engine.patch(place, asked.body, asked.api_version))
            case "DELETE":
                return self._replied(asked, await self._engine.delete(place, asked.api_version))
        raise ArmError(
            405, "MethodNotAllowed", f"The HTTP method '{asked.verb}' is not supported at '{asked.path}'."
        )

    def _replied(self, asked: Asked, reply: Reply) -> Answer:
        headers = self._operation_headers(asked, reply) if reply.operation else {}
        shown = reply.resource if reply.status in (200, 201) else None
        body = self._store.rendered(shown) if shown is not None else None
        return Answer(reply.status, body, headers, changed=reply.changed)

    def _operation_headers(self, asked: Asked, reply: Reply) -> dict[str, str]:
        operation = reply.operation
        assert operation is not None
        sub = f"{asked.base}/subscriptions/{self._engine.world.directory.subscription_id}"
        version = f"?api-version={operation.api_version}"
        headers = {}
        if operation.type == GROUPS:
            headers["Location"] = f"{sub}/operationresults/{operation.id}{version}"
        else:
            namespace = operation.type.split("/", 1)[0]
            place = f"{sub}/providers/{namespace}/locations/{operation.region}"
            headers["Azure-AsyncOperation"] = f"{place}/operations/{operation.id}{version}"
            if operation.work is Work.DELETE:
                headers["Location"] = f"{place}/operationresults/{operation.id}{version}"
        wait = _RETRY_AFTER_S / self._time_scale
        # Optional in ARM; below one second it could only be rounded up to many times what is meant.
        if wait >= 1:
            headers["Retry-After"] = str(round(wait))
        return headers

    def _action(self, asked: Asked, target: Target) -> Answer:
        resource = self._engine.existing(target.id)
        answer = self._credentials.answer(resource, target.action)
        if answer is None:
            raise ArmError(404, "InvalidResourceAction", f"No action answers at '{asked.path}'.")
        return answer

    def _list(self, asked: Asked, target: Target) -> Answer:
        if asked.verb != "GET":
            raise ArmError(405, "MethodNotAllowed", f"The HTTP method '{asked.verb}' is not supported here.")
        place = target.id
        if place.group:
            self._require_group(place.subscription, place.group)
        if place.type == GROUPS:
            bodies = [self._store.body(r) for r in self._store.of_type(GROUPS)]
            return page(asked, filtered(bodies, asked.query.get("$filter", "")), lambda row: row)
        found = [r for r in self._store.of_type(place.type) if self._within(r, target)]
        return page(asked, found, self._store.body)

    def _within(self, resource: Resource, target: Target) -> bool:
        place = target.id
        if place.names:
            parent = "/".join(
                f"/{k}/{n}" for k, n in zip(place.type.split("/")[1:], place.names, strict=False)
            )
            return (
                parent.replace("//", "/").lower() in resource.key
                and len(resource.id.names) == len(place.names) + 1
            )
        if place.scope:
            return resource.key.startswith(place.scope.lower() + "/")
        return not place.group or resource.id.group.lower() == place.group.lower()

    def _require_group(self, subscription: str, group: str) -> None:
        if self._store.get(f"/subscriptions/{subscription}/resourcegroups/{group}".lower()) is None:
            raise group_not_found(group)

    def _tracked(self, asked: Asked, lower: list[str]) -> Answer:
        group = lower[3] if len(lower) == 5 and lower[2] == "resourcegroups" else ""
        if group:
            self._require_group(lower[1], asked.segments[3])
        rows: list[Json] = [
            {key: value for key, value in self._store.body(r).items() if key in _TRACKED}
            for r in self._store
            if r.location and r.type != GROUPS and (not group or r.id.group.lower() == group)
        ]
        return page(asked, filtered(rows, asked.query.get("$filter", "")), lambda row: row)


def _is_special(lower: list[str]) -> bool:
    if lower[0] == "providers":
        return lower[1:] == ["microsoft.resourcegraph", "resources"]
    if lower[2] in ("locations", "operationresults", "resources"):
        return True
    if lower[2] == "resourcegroups":
        return len(lower) == 5 and lower[4] == "resources"
    if lower[2] != "providers":
        return False
    rest = lower[3:]
    if len(rest) < 2 or rest[1] in ("register", "unregister", "skus", "deletedvaults", "permissions"):
        return True
    return rest[1] == "locations"

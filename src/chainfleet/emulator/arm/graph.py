"""Resource Graph: the subset of KQL that inventories use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .answers import offset_of, token
from .bodies import Json
from .errors import bad_request
from .kql import Query, parse_query
from .names import GROUPS
from .resources import Resource, Store

_TOP = 1000
_SHAPE = (
    "id",
    "name",
    "type",
    "tenantId",
    "kind",
    "location",
    "resourceGroup",
    "subscriptionId",
    "managedBy",
)


def query_resources(store: Store, request: Mapping[str, Any]) -> Json:
    """Answer `POST /providers/Microsoft.ResourceGraph/resources`.

    Raises:
        ArmError: 400 `BadRequest` for a query that can't be read.
    """
    text = request.get("query")
    if not isinstance(text, str) or not text.strip():
        raise bad_request(
            "BadRequest", "Please provide below info when asking for support: the query is missing."
        )
    options = request.get("options") or {}
    wanted = request.get("subscriptions")
    query = parse_query(text)
    rows = [
        row for row in _rows(store, query) if not wanted or row["subscriptionId"] in map(str.lower, wanted)
    ]
    rows = query.run(rows)
    start = offset_of(options["$skipToken"]) if options.get("$skipToken") else int(options.get("$skip") or 0)
    top = min(_TOP, int(options.get("$top") or 100))
    shown = rows[start : start + top]
    more = start + top < len(rows)
    answer: Json = {
        "totalRecords": len(rows),
        "count": len(shown),
        "resultTruncated": "true" if more else "false",
        "facets": [],
        "data": _table(shown) if options.get("resultFormat") == "table" else shown,
    }
    if more:
        answer["$skipToken"] = token(start + top)
    return answer


def _rows(store: Store, query: Query) -> list[Json]:
    groups = query.table == "resourcecontainers"
    return [_row(store, r) for r in store if (r.type == GROUPS) == groups and (groups or r.location)]


def _row(store: Store, resource: Resource) -> Json:
    body = store.body(resource)
    row: Json = dict.fromkeys(_SHAPE, "")
    row |= {
        "properties": body.get("properties", {}),
        "tags": body.get("tags"),
        "sku": body.get("sku"),
        "identity": body.get("identity"),
        "zones": body.get("zones"),
        "id": body["id"],
        "name": body["name"],
        # Resource Graph gives types and groups in lower case.
        "type": body["type"].lower(),
        "kind": body.get("kind", ""),
        "location": resource.location,
        "resourceGroup": resource.id.group.lower(),
        "subscriptionId": resource.id.subscription,
    }
    if resource.type == GROUPS:
        row["type"] = "microsoft.resources/subscriptions/resourcegroups"
    return row


def _table(rows: list[Json]) -> Json:
    columns = list(rows[0]) if rows else []
    return {
        "columns": [{"name": name, "type": "object"} for name in columns],
        "rows": [[row.get(name) for name in columns] for row in rows],
    }

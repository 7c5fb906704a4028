"""`$filter` of list requests: equalities joined by `and`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from .bodies import Json
from .errors import bad_request

_TERM = re.compile(r"^\s*([A-Za-z/]+)\s+eq\s+'((?:[^']|'')*)'\s*$")
_KNOWN = frozenset({"resourcetype", "location", "name", "tagname", "tagvalue", "resourcegroup"})


def equalities(text: str) -> dict[str, str]:
    """Read a filter as names (in lower case) and values.

    Raises:
        ArmError: 400 `InvalidFilterInQueryString`.
    """
    found: dict[str, str] = {}
    for part in re.split(r"\s+and\s+", text.strip(), flags=re.IGNORECASE) if text.strip() else ():
        term = _TERM.match(part)
        if term is None:
            raise bad_request(
                "InvalidFilterInQueryString", f"Invalid $filter '{text}' specified in the query string."
            )
        found[term[1].lower()] = term[2].replace("''", "'")
    return found


def filtered(rows: Iterable[Json], text: str) -> list[Json]:
    """Bodies that a filter lets through.

    Raises:
        ArmError: 400 `InvalidFilterInQueryString`.
    """
    wanted = equalities(text)
    unknown = sorted(set(wanted) - _KNOWN)
    if unknown:
        raise bad_request("InvalidFilterInQueryString", f"The property '{unknown[0]}' can't be filtered by.")
    return [row for row in rows if _passes(row, wanted)]


def _passes(row: Json, wanted: dict[str, str]) -> bool:
    values: dict[str, Any] = {
        "resourcetype": row.get("type"),
        "location": row.get("location"),
        "name": row.get("name"),
        "resourcegroup": row["id"].split("/")[4] if row["id"].count("/") >= 4 else "",
    }
    for name, value in wanted.items():
        if name in values and str(values[name]).lower() != value.lower():
            return False
    tags = {str(k).lower(): str(v) for k, v in (row.get("tags") or {}).items()}
    tag = wanted.get("tagname")
    if tag is not None and tag.lower() not in tags:
        return False
    return "tagvalue" not in wanted or tags.get((tag or "").lower(), "").lower() == wanted["tagvalue"].lower()

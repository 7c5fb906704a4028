"""Writing down who did what, or tried to; and reading it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

from chainfleet.ledger.access import NO_HASH, AccessStore, AuditRow, check_chain

from .guards.asked import Asked
from .models.access import AuditCheck, AuditEntry
from .principals import Principal

_COLUMNS = (
    "number",
    "wall",
    "actor",
    "role",
    "token_id",
    "address",
    "request_id",
    "action",
    "environment",
    "subject",
    "reason",
    "result",
    "status",
    "hash",
)


class Auditor:
    """Appends to the chain of audit entries."""

    def __init__(self, store: AccessStore) -> None:
        self._store = store

    def note(
        self,
        wall: float,
        asked: Asked | None,
        principal: Principal | None,
        action: str,
        status: int,
        facts: Mapping[str, Any],
    ) -> None:
        """Write an entry; `facts` may hold environment, subject, reason and details."""
        result = "done" if status < 400 else "denied" if status in (401, 403, 421) else "failed"
        self._store.add_audit(
            {
                "wall": round(wall, 3),
                "actor": principal.name if principal else "",
                "role": principal.role.value if principal else "",
                "token_id": principal.token_id if principal else "",
                "address": asked.address if asked else "",
                "request_id": asked.id if asked else "",
                "action": action,
                "environment": str(facts.get("environment", "")),
                "subject": str(facts.get("subject", "")),
                "reason": str(facts.get("reason", "")),
                "result": result,
                "status": status,
                "details": dict(facts.get("details", {})),
            }
        )


def entry_of(row: AuditRow) -> AuditEntry:
    """An entry as the API tells it."""
    return AuditEntry(number=row.number, hash=row.hash, **row.body)


def checked(store: AccessStore) -> AuditCheck:
    """Whether the chain is whole."""
    lines = store.audit_lines()
    broken = check_chain(lines)
    return AuditCheck(
        ok=broken is None, entries=len(lines), head=lines[-1][2] if lines else NO_HASH, broken_at=broken
    )


def exported(store: AccessStore, form: str) -> tuple[str, str]:
    """The whole log as text, and its media type."""
    rows = [
        {"number": number, **json.loads(text), "hash": found} for number, text, found in store.audit_lines()
    ]
    if form == "jsonl":
        return "".join(json.dumps(row, sort_keys=True) + "\n" for row in rows), "application/x-ndjson"
    out = io.StringIO()
    writer = csv.DictWriter(out, _COLUMNS, extrasaction="ignore")
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return out.getvalue(), "text/csv; charset=utf-8"


def _cell(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value

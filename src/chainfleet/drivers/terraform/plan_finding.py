"""Finds and judges resources of providers that read back what they import: AWS's and Google's.

Their plan after an import compares the module with the cloud, attribute by attribute: a resource that it leaves alone
is as the module wants it. What this needs from the cloud is only whether something is there, and by which id the
provider imports it; `Existing` tells.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .findings import Finding, Found
from .plans import changes, existing_id, replaced_by

PROVIDER_ONLY = frozenset(
    {
        "deletion_policy",
        "deletion_protection",
        "deletion_window_in_days",
        "min_master_version",
        "remove_default_node_pool",
        "resolve_conflicts_on_create",
        "timeouts",
    }
)
"""Settings of the providers that their clouds don't keep: after an import they are stated once more, and nothing else
happens (documentation of the providers, sections on import)."""

_MARKS = ("tags_all", "effective_labels")
"""Where a resource has all its tags or labels; one that has neither can't be marked."""

MARK = "chainfleet-fleet"


@dataclass(frozen=True, slots=True)
class Lookup:
    """What was found of one resource that a plan would create.

    Attributes:
        id: by which the provider imports it; empty if it isn't there, or can't be named yet.
        problem: why nobody should guess, and there is no id then; empty if there is no doubt.
    """

    id: str = ""
    problem: str = ""


NOTHING = Lookup()


class Existing(Protocol):
    """What one region of a cloud has."""

    def look(self, kind: str, planned: Mapping[str, Any]) -> Lookup:
        """Look for a resource of a Terraform type by what is planned for it; raises TaskFailed."""
        ...


class PlanFinder:
    """Finds the resources of one root.

    Args:
        existing: what the root's region has.
        fleet: name of the fleet, which its resources carry as a tag or label.
    """

    def __init__(self, existing: Existing, fleet: str) -> None:
        self._existing = existing
        self._fleet = fleet
        self._problems: dict[str, str] = {}

    async def existing(self, change: Mapping[str, Any]) -> str:
        """What a resource that would be created is imported by, where the cloud has it."""
        planned = change["change"]["after"] or {}
        found = await asyncio.to_thread(self._existing.look, change["type"], planned)
        self._problems[change["address"]] = found.problem
        return found.id

    def import_blocks(self, imports: Mapping[str, str]) -> str:
        """A file of import blocks, in Terraform's JSON syntax."""
        blocks = [{"to": address, "id": place} for address, place in sorted(imports.items())]
        return json.dumps({"import": blocks}, indent=2)

    def not_only_imports(self, document: Mapping[str, Any]) -> str:
        """Why a plan does more than take up; empty if it doesn't."""
        for change in changes(document):
            actions = change["change"]["actions"]
            changed = _changed(change)
            if actions == ["update"] and changed:
                return f"the plan would change {', '.join(changed)} of {change['address']}"
            if actions not in (["no-op"], ["update"]):
                return f"the plan would {' and '.join(actions)} {change['address']}"
        return ""

    async def judged(self, document: Mapping[str, Any]) -> list[Found]:
        """What is the matter with each resource of the plan."""
        return [self._judge(change) for change in changes(document)]

    def _judge(self, change: Mapping[str, Any]) -> Found:
        address, actions = change["address"], change["change"]["actions"]
        problem = self._problems.get(address, "")
        if actions == ["create"]:
            return Found(Finding.AMBIGUOUS if problem else Finding.MISSING, address, detail=problem)
        before = change["change"]["before"] or {}
        importing = change["change"].get("importing")
        place = existing_id(change)
        if importing and not self._is_ours(before):
            return Found(Finding.AMBIGUOUS, address, place, f"it isn't marked {MARK}={self._fleet}")
        if "delete" in actions:
            detail = f"would be replaced because of {', '.join(replaced_by(change))}"
            return Found(Finding.DRIFTED, address, place, detail)
        changed = _changed(change)
        if changed:
            return Found(Finding.DRIFTED, address, place, f"differs at {', '.join(changed)}")
        return Found(Finding.MATCHED if importing else Finding.HELD, address, place)

    def _is_ours(self, values: Mapping[str, Any]) -> bool:
        marks = next((values[name] or {} for name in _MARKS if name in values), None)
        return marks is None or marks.get(MARK) == self._fleet


def _changed(change: Mapping[str, Any]) -> list[str]:
    """Attributes that a plan would change in the cloud; those that are known only afterwards follow from others."""
    if change["change"]["actions"] != ["update"]:
        return []
    before, after = change["change"]["before"] or {}, change["change"]["after"] or {}
    changed = {name for name in after if after[name] != before.get(name)} - PROVIDER_ONLY
    return sorted(name for name in changed if before.get(name) or after[name])

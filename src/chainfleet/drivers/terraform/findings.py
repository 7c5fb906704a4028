"""What was found of a root's resources, and what finds them in a cloud."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

UNKNOWN_TO_MODULES = "the modules don't know it"
"""Detail of a foreign resource."""


class Finding(StrEnum):
    """What is the matter with one resource."""

    HELD = "held"
    """In the state already."""
    MATCHED = "matched"
    """Exists as the module wants it; will be imported."""
    DRIFTED = "drifted"
    """Exists, but differs from what the module wants."""
    MISSING = "missing"
    """Doesn't exist; a deployment makes it."""
    AMBIGUOUS = "ambiguous"
    """Exists where ours would be, but isn't marked as the fleet's."""
    FOREIGN = "foreign"
    """Lies among ours and the modules don't know it."""


@dataclass(frozen=True, slots=True)
class Found:
    """One resource and what was found.

    Attributes:
        finding: what is the matter.
        address: in the root; empty for a foreign one.
        id: in the cloud; empty for a missing one.
        detail: e.g. where it differs.
    """

    finding: Finding
    address: str = ""
    id: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Survey:
    """What one root would make and what of it exists.

    Attributes:
        resources: one entry for each resource of the root.
        outputs: the root's outputs, as far as they are known.
        imported: whether the state was written.
        refused: why an import was not carried out; empty if it was, or was not asked for.
    """

    resources: tuple[Found, ...]
    outputs: Mapping[str, Any]
    imported: bool = False
    refused: str = ""

    def __iter__(self) -> Iterator[Found]:
        """Its resources."""
        return iter(self.resources)


class Finder(Protocol):
    """Finds a root's resources in one cloud by what a plan says of them, and judges what is there.

    Methods raise TaskFailed where the cloud can't be asked.
    """

    async def existing(self, change: Mapping[str, Any]) -> str:
        """What a resource that would be created is imported by; empty if it isn't there or can't be named yet."""
        ...

    def import_blocks(self, imports: Mapping[str, str]) -> str:
        """A file of import blocks, in Terraform's JSON syntax, for ids by address."""
        ...

    async def judged(self, document: Mapping[str, Any]) -> Sequence[Found]:
        """What is the matter with each resource of a plan that imports everything that was found."""
        ...

    def not_only_imports(self, document: Mapping[str, Any]) -> str:
        """Why a plan does more than take up; empty if it doesn't."""
        ...

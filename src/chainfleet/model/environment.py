"""What happens to an environment itself, apart from its runs: its ledger keeps that too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class RevisionMade:
    """The fleet's document was written or changed.

    Attributes:
        number: counted from 1.
        document: the fleet file as YAML text; references to secrets, never secrets.
        fingerprint: of the fleet it resolves to (see `fleet_file.fingerprint`).
        target: where it is deployed to: emulated, time_scale, faults, allow_mainnet.
        by: who.
        note: why.
    """

    number: int
    document: str
    fingerprint: str
    target: Mapping[str, Any] = field(default_factory=dict)
    by: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Locked:
    """Nothing may be changed or started until it is unlocked."""

    by: str
    """Who."""
    reason: str
    """Why."""


@dataclass(frozen=True, slots=True)
class Unlocked:
    """The lock was taken away."""

    by: str
    """Who."""


@dataclass(frozen=True, slots=True)
class Archived:
    """It was put away: no longer listed, and nothing may be started."""

    by: str
    """Who."""


@dataclass(frozen=True, slots=True)
class Restored:
    """It was taken back from the archive."""

    by: str
    """Who."""


@dataclass(frozen=True, slots=True)
class RunAsked:
    """Somebody asked for a run from outside; its process is on its way.

    Attributes:
        name: of the run.
        by: who.
        reason: why.
        command: the command that was started.
        revision: number of the revision it deploys.
    """

    name: str
    by: str
    reason: str = ""
    command: str = ""
    revision: int = 0


EnvironmentEvent = RevisionMade | Locked | Unlocked | Archived | Restored | RunAsked

"""What an environment's records say of it: its revisions, its lock, whether it is put away."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from chainfleet.model.environment import Archived, Locked, Restored, RevisionMade, RunAsked, Unlocked

from .codec import decode
from .store import Record


@dataclass(slots=True)
class EnvironmentView:
    """An environment as its ledger has it.

    Attributes:
        revisions: oldest first, each with the wall-clock time it was made.
        lock: who locked it and why, with the wall-clock time; None where it is open.
        archived: whether it is put away.
        asked: runs that were asked for from outside, by name.
        last: place of its last record; what a change is based on.
    """

    revisions: list[tuple[float, RevisionMade]] = field(default_factory=list)
    lock: tuple[float, Locked] | None = None
    archived: bool = False
    asked: dict[str, tuple[float, RunAsked]] = field(default_factory=dict)
    last: int = 0

    @property
    def revision(self) -> RevisionMade | None:
        """The present revision; None where no document is known."""
        return self.revisions[-1][1] if self.revisions else None

    def apply(self, record: Record) -> None:
        """Take up one record of kind `environment`."""
        self.last = record.seq
        match decode(record.body):
            case RevisionMade() as made:
                self.revisions.append((record.wall, made))
            case Locked() as locked:
                self.lock = (record.wall, locked)
            case Unlocked():
                self.lock = None
            case Archived():
                self.archived = True
            case Restored():
                self.archived = False
            case RunAsked() as asked:
                self.asked[asked.name] = (record.wall, asked)


def project_environment(records: Iterable[Record]) -> EnvironmentView:
    """Read an environment from its records."""
    view = EnvironmentView()
    for record in records:
        view.apply(record)
    return view

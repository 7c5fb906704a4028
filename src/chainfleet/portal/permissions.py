"""Which role may do what. Every route names one permission; a route without one does not start."""

from __future__ import annotations

from enum import StrEnum

from .models.access import Role


class Permission(StrEnum):
    """What a route asks of its caller."""

    PUBLIC = "public"
    """No token needed."""
    READ = "read"
    RUN = "run"
    """Start, pause, resume, cancel, retry; rehearse."""
    CHANGE = "change"
    """Make and change environments."""
    APPROVE = "approve"
    """Decide gates."""
    DESTROY = "destroy"
    AUDIT = "audit"
    ADMIN = "admin"


_OF_ROLE: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.READ}),
    Role.OPERATOR: frozenset({Permission.READ, Permission.RUN, Permission.CHANGE}),
    Role.APPROVER: frozenset(
        {Permission.READ, Permission.RUN, Permission.CHANGE, Permission.APPROVE, Permission.AUDIT}
    ),
    Role.ADMIN: frozenset(Permission) - {Permission.PUBLIC},
}


def permissions_of(role: Role) -> frozenset[Permission]:
    """What that role may do."""
    return _OF_ROLE[role]

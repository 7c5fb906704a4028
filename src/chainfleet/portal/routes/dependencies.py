"""What handlers get from the application and from the guards."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from ..environments.desk import Desk
from ..principals import Principal
from ..service import Portal
from .parameters import EnvironmentPath


def _portal(request: Request) -> Portal:
    portal: Portal = request.app.state.portal
    return portal


def _principal(request: Request) -> Principal:
    principal: Principal = request.state.principal
    return principal


PortalHere = Annotated[Portal, Depends(_portal)]
Caller = Annotated[Principal, Depends(_principal)]


def _desk(environment: EnvironmentPath, portal: PortalHere, caller: Caller) -> Desk:
    return portal.registry.desk(environment, caller)


DeskHere = Annotated[Desk, Depends(_desk)]
"""The environment that the path names; 404 where the caller doesn't see it."""

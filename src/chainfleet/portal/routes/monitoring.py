"""The living network, limits and queues, and regions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from chainfleet.model.fleet import Cloud

from ..models.common import Page
from ..models.monitoring import (
    LimitsView,
    MonitoringHistory,
    MonitoringSample,
    RegionDetail,
    RegionFactsView,
)
from ..permissions import Permission
from ..problems import ProblemError
from .declaring import route
from .parameters import EnvironmentPath

router = APIRouter(tags=["monitoring"])


@route(router, "GET", "/environments/{environment}/monitoring", permission=Permission.READ, problems=(404,))
async def get_monitoring(
    environment: EnvironmentPath,
    fresh: Annotated[
        bool, Query(description="Ask the network now instead of showing the last sample.")
    ] = False,
) -> MonitoringSample:
    """How the network stands."""
    raise ProblemError(501, "not-done", "not done yet")


@route(
    router,
    "GET",
    "/environments/{environment}/monitoring/history",
    permission=Permission.READ,
    problems=(404,),
)
async def get_monitoring_history(
    environment: EnvironmentPath,
    seconds: Annotated[int, Query(ge=1, le=30 * 86400, description="How far back.")] = 3600,
    points: Annotated[int, Query(ge=1, le=2000, description="Most points.")] = 300,
) -> MonitoringHistory:
    """Samples for plots, thinned out evenly."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "GET", "/environments/{environment}/limits", permission=Permission.READ, problems=(404,))
async def get_limits(
    environment: EnvironmentPath, points: Annotated[int, Query(ge=0, le=600)] = 120
) -> LimitsView:
    """Limits, queue and slots of the running or last run, with history."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "GET", "/regions", permission=Permission.READ)
async def list_regions(cloud: Cloud | None = None) -> Page[RegionFactsView]:
    """Regions that a fleet can name, and those that environments name."""
    raise ProblemError(501, "not-done", "not done yet")


@route(router, "GET", "/regions/{region}", permission=Permission.READ, problems=(404,))
async def get_region(
    region: Annotated[str, Path(min_length=1, max_length=60, pattern=r"^[a-z0-9-]+$")],
) -> RegionDetail:
    """A region with its past."""
    raise ProblemError(501, "not-done", "not done yet")

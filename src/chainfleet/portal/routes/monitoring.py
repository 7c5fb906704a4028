"""The living network, limits and queues, and regions."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from chainfleet.model.fleet import Cloud

from ..cursors import as_page
from ..models.common import Page
from ..models.monitoring import (
    LimitsView,
    MonitoringHistory,
    MonitoringSample,
    RegionDetail,
    RegionFactsView,
)
from ..monitoring import history_view, limits_view, sample_view
from ..permissions import Permission
from ..places import region as region_detail
from ..places import regions
from .declaring import new_router, route
from .dependencies import Caller, DeskHere, PortalHere

router = new_router("monitoring")


@route(router, "GET", "/environments/{environment}/monitoring", permission=Permission.READ, problems=(404,))
def get_monitoring(
    desk: DeskHere,
    portal: PortalHere,
    fresh: Annotated[
        bool, Query(description="Ask the network now instead of showing the last sample.")
    ] = False,
) -> MonitoringSample:
    """How the network stands."""
    if fresh:
        portal.observatory.sample_now(desk).result()
    sample, problem = portal.observatory.last(desk.name)
    return sample_view(desk, sample, problem, portal.wall())


@route(
    router,
    "GET",
    "/environments/{environment}/monitoring/history",
    permission=Permission.READ,
    problems=(404,),
)
def get_monitoring_history(
    desk: DeskHere,
    portal: PortalHere,
    seconds: Annotated[int, Query(ge=1, le=30 * 86400, description="How far back.")] = 3600,
    points: Annotated[int, Query(ge=1, le=2000, description="Most points.")] = 300,
) -> MonitoringHistory:
    """Samples for plots, thinned out evenly."""
    return history_view(desk, seconds, points, portal.wall())


@route(router, "GET", "/environments/{environment}/limits", permission=Permission.READ, problems=(404,))
def get_limits(
    desk: DeskHere,
    points: Annotated[int, Query(ge=0, le=600, description="Most points of history.")] = 120,
) -> LimitsView:
    """Limits, queue and slots of the running or last run, with history."""
    return limits_view(desk, points)


@route(router, "GET", "/regions", permission=Permission.READ)
def list_regions(
    portal: PortalHere,
    caller: Caller,
    cloud: Annotated[Cloud | None, Query(description="Only of that cloud.")] = None,
) -> Page[RegionFactsView]:
    """Regions that a fleet can name, and those that environments name."""
    found = regions(portal.registry.readable(caller), cloud)
    return as_page(found, None, len(found))


@route(router, "GET", "/regions/{region}", permission=Permission.READ, problems=(404,))
def get_region(
    portal: PortalHere,
    caller: Caller,
    region: Annotated[
        str,
        Path(min_length=1, max_length=60, pattern=r"^[a-z0-9-]+$", description="As its cloud writes it."),
    ],
) -> RegionDetail:
    """A region with its past."""
    return region_detail(portal.registry.readable(caller), region)

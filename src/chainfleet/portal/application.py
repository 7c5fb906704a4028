"""Puts the application together."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from chainfleet import __version__

from .openapi import openapi_document
from .routes import access, environments, events, meta, monitoring, runs


def make_application() -> FastAPI:
    """The API without its guards."""
    app = FastAPI(
        title="chainfleet portal",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    api = APIRouter(prefix="/api/v1")
    for part in (meta, environments, runs, events, monitoring, access):
        api.include_router(part.router)
    app.include_router(api)
    app.openapi = lambda: openapi_document(app)  # type: ignore[method-assign]
    return app

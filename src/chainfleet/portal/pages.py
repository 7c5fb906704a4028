"""The built pages: both bundles, pre-compressed, under a strict policy; and what problems' types mean."""

from __future__ import annotations

import html
import mimetypes
from email.utils import formatdate
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from .problems import KINDS, ProblemError, not_found
from .service import Portal

POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "worker-src 'self'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
    "require-trusted-types-for 'script'"
)
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
_NO_CACHE = "no-cache"
_FOREVER = "public, max-age=31536000, immutable"

# Some systems' registries say otherwise, and a script of another type is not run.
mimetypes.add_type("text/javascript", ".js")
mimetypes.add_type("image/svg+xml", ".svg")


def add_pages(app: FastAPI, portal: Portal) -> None:
    """Add `/`, `/ui/vue/…`, `/ui/react/…` and `/problems/…`."""
    pages = {name: folder.resolve() for name, folder in portal.settings.pages.items()}

    async def root(request: Request) -> Response:
        wanted = request.query_params.get("ui") or (await portal.ask_access(portal.shared)).ui
        name = wanted if wanted in pages else next(iter(pages), None)
        if name is None:
            return HTMLResponse(
                _NO_PAGES, headers={"Content-Security-Policy": POLICY, "Cache-Control": _NO_CACHE}
            )
        # Relative: no name of this server gets into it.
        return RedirectResponse(f"ui/{name}/", 307, headers={"Cache-Control": _NO_CACHE})

    async def bundle(request: Request) -> Response:
        name, path = request.path_params["name"], request.path_params.get("path", "")
        if name not in pages:
            raise ProblemError(404, "no-such-path", f"there are no pages `{name}`")
        return _file(pages[name], path, request.headers.get("accept-encoding", ""))

    async def bare(request: Request) -> Response:
        return RedirectResponse(f"{request.path_params['name']}/", 307)

    async def problem(request: Request) -> Response:
        kind = request.path_params["kind"]
        if kind not in KINDS:
            raise not_found("problem", kind)
        status, meaning = KINDS[kind]
        text = f"<!doctype html><title>{kind}</title><h1>{kind} ({status})</h1><p>{html.escape(meaning)}</p>"
        return HTMLResponse(text, headers={"Content-Security-Policy": POLICY})

    app.router.routes.extend(
        [
            Route("/", root, methods=["GET"]),
            Route("/ui/{name}", bare, methods=["GET"]),
            Route("/ui/{name}/{path:path}", bundle, methods=["GET"]),
            Route("/problems/{kind}", problem, methods=["GET"]),
        ]
    )


def _file(folder: Path, path: str, accepted: str) -> Response:
    file = (folder / path).resolve() if "\x00" not in path else folder
    inside = file.is_relative_to(folder) and file.is_file()
    if not inside:
        if path.startswith("assets/") or "." in path.rsplit("/", 1)[-1]:
            raise ProblemError(404, "no-such-path", "there is no such file")
        # A place in the application: its router knows it.
        file = folder / "index.html"
    headers = {
        "Content-Security-Policy": POLICY,
        "Cache-Control": _FOREVER if inside and path.startswith("assets/") else _NO_CACHE,
        "Vary": "Accept-Encoding",
    }
    media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    offered = {
        part.split(";")[0].strip()
        for part in accepted.split(",")
        if not part.replace(" ", "").endswith(";q=0")
    }
    for encoding, suffix in _ENCODINGS:
        packed = file.with_name(file.name + suffix)
        if encoding in offered and packed.is_file():
            headers |= {
                "Content-Encoding": encoding,
                "Last-Modified": formatdate(packed.stat().st_mtime, usegmt=True),
            }
            return FileResponse(packed, media_type=media_type, headers=headers)
    return FileResponse(file, media_type=media_type, headers=headers)


_NO_PAGES = """<!doctype html><html lang="en"><title>chainfleet portal</title>
<h1>chainfleet portal</h1><p>The API answers under <code>/api/v1</code>; its description is
<a href="api/v1/openapi.json">openapi.json</a>.</p>
<p>The pages are not built in this clone: run <code>make portal</code>.</p></html>
"""

"""`chainfleet portal`: from its options to a server that runs, or a token that is made."""

from __future__ import annotations

import json
import logging
import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import files
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from chainfleet.ledger.access import AccessStore
from chainfleet.ledger.database import postgres_place
from chainfleet.model.errors import InputError

from .models.access import Role
from .oidc import OidcSettings
from .principals import Bearers
from .service import ACCESS_FILE, Portal, PortalSettings
from .serving import listen, serve

_OIDC_KEYS = frozenset({"issuer", "client_id", "client_secret", "roles_claim", "roles", "default_role"})


@dataclass(frozen=True, slots=True)
class Options:
    """What the command was given; see its help."""

    home: Path = Path(".chainfleet")
    states: Sequence[Path] = ()
    host: str = "localhost"
    port: int = 8138
    url: str | None = None
    certificate: Path | None = None
    key: Path | None = None
    oidc: Path | None = None
    ui: str = "vue"
    verbose: bool = False
    ledger: str | None = None


def run(**options: Any) -> int:
    """Serve until told to stop; returns the exit code.

    Raises:
        InputError: options that don't go together.
        EnvironmentProblem: the address can't be had, the home folder not be used.
    """
    given = Options(**options)
    _log(verbose=given.verbose)
    local = given.url is None
    _check(given, local=local)
    with ExitStack() as closing:
        sockets = listen(given.host, given.port)
        for one in sockets:
            closing.callback(one.close)
        return _serve(given, sockets, local=local)


def _serve(given: Options, sockets: list[socket.socket], *, local: bool) -> int:
    port = sockets[0].getsockname()[1]
    origins, hosts = _names(given, port)
    settings = PortalSettings(
        home=given.home,
        named={path.resolve().name: path for path in given.states},
        mode="local" if local else "server",
        origins=origins,
        hosts=hosts,
        ui="react" if given.ui == "react" else "vue",
        oidc=None if given.oidc is None else read_oidc(given.oidc, origins[0]),
        four_eyes=not local,
        pages=built_pages(),
        database=None if given.ledger is None else postgres_place(given.ledger, "portal").url,
    )
    provider = _tracing()
    portal = Portal(settings, say=_say, tracer=provider and provider.get_tracer("chainfleet.portal"))

    def started() -> None:
        if local:
            _say(f"portal: {portal.new_address()}")
            _say("the address signs one browser in, once; Ctrl-C stops the portal, runs go on")
        else:
            _say(f"portal: {origins[0]} (listening on {given.host} port {port})")

    try:
        serve(portal, sockets, started, certificate=given.certificate, key=given.key)
    finally:
        if provider is not None:
            provider.shutdown()
    return 0


def make_token(home: Path, name: str, role: str, days: float) -> str:
    """Make a token without a server, e.g. the first one; returns its secret."""
    if role not in set(Role):
        raise InputError(f"--role {role}: not known", way_out=f"one of {', '.join(Role)}")
    if not 0 < days <= 366:
        raise InputError(f"--days {days:g}: give more than 0 and at most 366", way_out="30 is the usual")
    store = AccessStore(home / ACCESS_FILE, wall=time.time)
    try:
        _, secret = Bearers(store).make(
            name, Role(role), "token", now=time.time(), lasting_s=days * 86_400, by="command line"
        )
        return secret
    finally:
        store.close()


def built_pages() -> dict[str, Path]:
    """Folders of built pages: those of the wheel, else those of the clone."""
    found: dict[str, Path] = {}
    package = Path(str(files("chainfleet.portal")))
    clone = package.parents[2] / "portal" / "dist"
    for name in ("vue", "react"):
        for folder in (package / "web" / name, clone / name):
            if (folder / "index.html").is_file():
                found.setdefault(name, folder)
    return found


def read_oidc(path: Path, origin: str) -> OidcSettings:
    """The issuer's settings from a JSON file.

    Raises:
        InputError: it can't be read, or lacks something.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"--oidc {path}: {error}", way_out="give a JSON object, see the Portal page"
        ) from None
    if not isinstance(content, Mapping) or not {"issuer", "client_id"} <= set(content) <= _OIDC_KEYS:
        raise InputError(
            f"--oidc {path}: wants issuer and client_id, and knows {', '.join(sorted(_OIDC_KEYS))}",
            way_out="write both; `docs/operate/portal.md` has an example",
        )
    try:
        roles = {str(value): Role(role) for value, role in dict(content.get("roles", {})).items()}
        default = Role(content["default_role"]) if content.get("default_role") else None
    except ValueError as error:
        raise InputError(f"--oidc {path}: {error}", way_out=f"roles are {', '.join(Role)}") from None
    issuer = str(content["issuer"])
    if urlsplit(issuer).scheme != "https" and not _is_loopback(urlsplit(issuer).hostname or ""):
        raise InputError(
            f"--oidc {path}: the issuer's address must be https", way_out="give the issuer's https address"
        )
    return OidcSettings(
        issuer=issuer,
        client_id=str(content["client_id"]),
        client_secret=str(content.get("client_secret", "")),
        redirect_uri=f"{origin}/api/v1/oidc/callback",
        roles_claim=str(content.get("roles_claim", "groups")),
        roles=roles,
        default_role=default,
    )


def _check(given: Options, *, local: bool) -> None:
    if local:
        if not _is_loopback(given.host):
            message = f"--host {given.host} can be reached by others, who would see an open door"
            way_out = "give --url with the address people use (https), and tokens or --oidc for signing in"
            raise InputError(message, way_out=way_out)
        return
    parts = urlsplit(given.url or "")
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.path not in ("", "/"):
        raise InputError(
            f"--url {given.url}: give scheme and host, such as https://portal.example.org",
            way_out="for this machine alone leave --url out",
        )
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise InputError(
            f"--url {given.url}: tokens would cross the network in the clear", way_out="use https"
        )
    if (given.certificate is None) != (given.key is None):
        raise InputError(
            "--certificate and --key go together",
            way_out="give both, or neither behind a proxy that ends TLS",
        )


def _names(given: Options, port: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Origins that browsers use, and values of the Host header."""
    if given.url is not None:
        parts = urlsplit(given.url)
        default = {"https": 443, "http": 80}[parts.scheme]
        host = parts.hostname or ""
        host = f"[{host}]" if ":" in host else host
        bare = parts.port in (None, default)
        reached = (host, f"{host}:{default}") if bare else (f"{host}:{parts.port}",)
        return (f"{parts.scheme}://{reached[0]}",), reached
    names = ("127.0.0.1", "localhost", "[::1]") if given.host == "localhost" else (_bracketed(given.host),)
    hosts = tuple(f"{name}:{port}" for name in names)
    scheme: Literal["https", "http"] = "https" if given.certificate else "http"
    return tuple(f"{scheme}://{host}" for host in hosts), hosts


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _tracing() -> Any:
    """The tracer provider where the environment asks for one; imported only then."""
    if not any(name.startswith("OTEL_EXPORTER_OTLP_") for name in os.environ):
        return None
    from chainfleet.runtime.telemetry.setup import tracer_provider

    return tracer_provider(os.environ)


def _log(*, verbose: bool) -> None:
    """One JSON document a line on stderr for requests; warnings of everything else."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    access = logging.getLogger("chainfleet.portal.access")
    access.addHandler(handler)
    access.propagate = False
    access.setLevel(logging.INFO if verbose else logging.WARNING)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()

"""The portal as one object: everything the routes need, made once and closed in the end."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from chainfleet.ledger.access import AccessStore

from .auditing import Auditor
from .cursors import Cursors
from .environments.desk import Desk
from .environments.registry import Registry
from .figures import Figures
from .guards.rates import Rate
from .journal import Journals
from .models.access import DeepLink, Role, Settings
from .monitoring import health_of
from .observatory import Observatory
from .oidc import Oidc, OidcSettings
from .own_thread import OwnThread
from .principals import Bearers, Principal
from .runs.starting import Starter
from .streaming import Streams

T = TypeVar("T")

CALLERS = Rate(100.0, 400.0)
"""Requests of one token."""
CODE_S = 15 * 60.0
"""How long a sign-in address holds."""
ACCESS_FILE = "access.db"


@dataclass(frozen=True, slots=True)
class PortalSettings:
    """How a portal is run.

    Attributes:
        home: folder of the environments.
        named: further state folders by environment name.
        mode: `local` (loopback, one person) or `server`.
        origins: `scheme://host:port` that browsers reach it by; the first is shown.
        hosts: names it answers to.
        ui: preferred pages.
        oidc: sign-in by an issuer; None where not configured.
        rate: of each caller; None sets no limit.
        four_eyes: whether who started a run may not approve its gates.
        observe: whether networks are sampled without being asked.
        pages: folders of built pages, by name of the framework.
        database: address of the database that holds the ledgers of new environments; None keeps them in their folders.
    """

    home: Path
    named: Mapping[str, Path] = field(default_factory=dict)
    mode: Literal["local", "server"] = "local"
    origins: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    ui: Literal["vue", "react"] = "vue"
    oidc: OidcSettings | None = None
    rate: Rate | None = CALLERS
    four_eyes: bool = False
    observe: bool = True
    pages: Mapping[str, Path] = field(default_factory=dict)
    database: str | None = None


class Portal:
    """Everything behind the routes.

    Args:
        settings: how it is run.
        wall: wall-clock seconds.
        say: tells the operator's terminal a line.
        tracer: of the OpenTelemetry SDK; None makes no spans.
    """

    def __init__(
        self,
        settings: PortalSettings,
        *,
        wall: Callable[[], float] = time.time,
        say: Callable[[str], None] = lambda _: None,
        tracer: Any = None,
    ) -> None:
        self.settings = settings
        self.wall = wall
        self.say = say
        self.tracer = tracer
        self.epoch = secrets.token_hex(8)
        self.store = AccessStore(settings.home / ACCESS_FILE, wall=wall)
        self.bearers = Bearers(self.store)
        self.cursors = Cursors(self.store.signing_key())
        self.registry = Registry(settings.home, settings.named, settings.database)
        self.figures = Figures()
        self.journals = Journals()
        self._asking = OwnThread("access")
        self.streams = Streams(self.journals, self.figures, self._is_valid)
        self.observatory = Observatory(self.registry)
        self.starter = Starter()
        self.auditor = Auditor(self.store)
        self.oidc = self._oidc()

    def start(self) -> None:
        """Begin to watch networks."""
        if self.settings.observe:
            self.observatory.start()

    async def close(self) -> None:
        """End everything; runs go on."""
        self.streams.stop()
        await self.journals.close()
        await asyncio.to_thread(self.observatory.stop)
        await asyncio.to_thread(self.registry.close)
        await asyncio.wrap_future(self._asking.close(self.store.close))

    # --- signing in ---------------------------------------------------------------------------

    def new_address(self) -> str:
        """An address that signs one browser in, once."""
        code = secrets.token_urlsafe(32)
        facts = {"kind": "local", "name": "local", "role": Role.ADMIN.value}
        self.store.add_code(code, facts, self.wall() + CODE_S)
        return f"{self.settings.origins[0]}/#t={code}"

    # --- settings that everybody shares -------------------------------------------------------

    def shared(self) -> Settings:
        """Settings of all who use this portal."""
        kept = self.store.setting("shared") or {}
        return Settings(
            ui=kept.get("ui", self.settings.ui),
            links=[DeepLink(**link) for link in kept.get("links", [])],
            read_only=kept.get("read_only", False),
        )

    def share(self, settings: Settings) -> None:
        """Change them."""
        self.store.set_setting("shared", settings.model_dump(mode="json"))

    # --- shorthand ----------------------------------------------------------------------------

    def health(self, desk: Desk) -> Literal["unknown", "healthy", "degraded", "down"]:
        """How an environment's network was at the last look."""
        return health_of(self.observatory.peek(desk.name))

    async def ask_access(self, question: Callable[[], T]) -> T:
        """Ask something of `store` from the event loop; it may wait for a disk, or for another process."""
        return await self._asking.ask(question)

    async def _is_valid(self, principal: Principal) -> bool:
        token = await self.ask_access(partial(self.store.token, principal.token_id))
        return token is not None and not token.revoked and token.expires > self.wall()

    def _oidc(self) -> Oidc | None:
        if self.settings.oidc is None:
            return None

        def client() -> httpx2.AsyncClient:
            return httpx2.AsyncClient(timeout=10.0, follow_redirects=False)

        import httpx2

        return Oidc(self.settings.oidc, self.store, self.wall, client)

"""When certificates and tokens run out that the fleet depends on: the API servers', and our own to get in."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit

from chainfleet.drivers.kubernetes.access import Access, clusters
from chainfleet.model.errors import TaskFailed
from chainfleet.model.fleet import Fleet, Region

PATIENCE_S = 5.0

Expiries = Mapping[tuple[str, str], float]
"""(region, subject) → seconds since 1970."""


async def expiries_of(fleet: Fleet, access: Access, patience_s: float = PATIENCE_S) -> Expiries:
    """Return what is known of every region; who can't be reached is missing."""
    found = await asyncio.gather(*(_of_region(region, access, patience_s) for region in fleet.regions))
    return {key: at for part in found for key, at in part.items()}


async def _of_region(region: Region, access: Access, patience_s: float) -> dict[tuple[str, str], float]:
    try:
        async with asyncio.timeout(patience_s):
            cluster = await clusters().of(access, region)
            expiries = {(region.name, "api-server"): await _server_certificate(cluster.server)}
            if cluster.expires_at is not None:
                expiries[region.name, "credentials"] = cluster.expires_at
            return expiries
    except (TaskFailed, OSError, TimeoutError, ValueError):
        return {}


async def _server_certificate(server: str) -> float:
    """Return when the certificate that a server shows runs out; what it's worth the clients check."""
    from cryptography import x509

    parts = urlsplit(server)
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection(parts.hostname, parts.port or 443, ssl=context)
    try:
        shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    finally:
        writer.close()
    return x509.load_der_x509_certificate(shown).not_valid_after_utc.timestamp()

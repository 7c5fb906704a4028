"""Which names this server answers to: the defence against DNS rebinding, and the only names redirects may use."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import AddressValueError, IPv6Address

from ..problems import ProblemError


def canonical(host: str) -> str:
    """A `host:port` in one spelling: lower case, IPv6 addresses in their shortest form."""
    host = host.strip().lower()
    if host.startswith("["):
        inner, bracket, rest = host[1:].partition("]")
        try:
            return f"[{IPv6Address(inner)}]{rest}" if bracket else host
        except AddressValueError:
            return host
    return host


class Hosts:
    """The allowed values of the Host header.

    Args:
        names: `host:port` or `host`, exactly as clients write them.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(canonical(name) for name in names)

    def check(self, host: str | None, *, doubled: bool) -> None:
        """Raise ProblemError (421) unless the header names this server."""
        if host is None or doubled or canonical(host) not in self._names:
            raise ProblemError(
                421,
                "foreign-host",
                "the Host header does not name this server",
                way_out="use the address that `chainfleet portal` printed, or allow the name with --host-name",
            )


class Origins:
    """Where requests that change something may come from.

    Args:
        allowed: origins such as `http://127.0.0.1:8138`.
    """

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(origin.lower() for origin in allowed)

    def check(self, site: str | None, origin: str | None) -> None:
        """Judge `Sec-Fetch-Site` where there is one, else `Origin`; programs send neither.

        Under DNS rebinding a browser sends no `Sec-Fetch-Site`, and `Origin` equals `Host`: so the origin is compared
        with what is allowed, never with the host.

        Raises:
            ProblemError: 403.
        """
        if site is not None:
            allowed = site in ("same-origin", "none")
        else:
            allowed = origin is None or origin.lower() in self._allowed
        if not allowed:
            raise ProblemError(
                403,
                "foreign-origin",
                "this request comes from a page of another origin",
                way_out="open the portal itself and ask there",
            )

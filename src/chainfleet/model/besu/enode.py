"""enode URLs: how one node names another's key and address.

    enode://<128 hex digits>@<IPv4 | [IPv6]>:<TCP port>[?discport=<UDP port>]

Host names are refused: without Besu's early-access DNS options they stop a node from starting, and
with them a name that doesn't resolve at start becomes 127.0.0.1 for the life of the process.
Source: EnodeURLImpl and StaticNodesParser of Besu 26.8.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from chainfleet.model.errors import InputError

_SHAPE = re.compile(
    r"enode://(?P<id>[^@]*)@(?P<host>\[[^\]]*\]|[^:?\[\]]*)(?::(?P<tcp>[^?]*))?(?:\?(?P<query>.*))?\Z",
    re.DOTALL,
)


class EnodeError(InputError):
    """The text is no enode URL that a static peer list may hold."""


@dataclass(frozen=True, slots=True)
class Enode:
    """A node that others can dial.

    Attributes:
        node_id: 128 lower-case hex digits of the public key X‖Y.
        host: IP address in its shortest form.
        tcp: RLPx port; None if the node doesn't listen.
        udp: discovery port; None if it doesn't take part.
    """

    node_id: str
    host: str
    tcp: int | None
    udp: int | None

    @property
    def url(self) -> str:
        """The URL; `discport` only where it differs from the TCP port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        query = "" if self.udp == self.tcp else f"?discport={self.udp or 0}"
        return f"enode://{self.node_id}@{host}:{self.tcp or 0}{query}"


def format_enode(public_key: bytes, host: str, port: int) -> str:
    """Return the URL of a node that listens on one port; EnodeError if it could not be dialled.

    Args:
        public_key: 64 bytes X‖Y.
        host: IP literal that peers dial.
        port: TCP (and UDP) port, 1 to 65535.
    """
    return parse_static_peer(Enode(public_key.hex(), host, port, port).url).url


def parse_enode(url: str) -> Enode:
    """Return the parts of an enode URL.

    Raises:
        EnodeError: a part is missing or malformed, a port is above 65535 or the host is a name.
    """
    match = _SHAPE.match(url)
    if match is None:
        raise EnodeError(f"{_short(url)} is not enode://ID@HOST:PORT")
    node_id = match["id"].removeprefix("0x")
    if not re.fullmatch(r"[0-9a-fA-F]{128}", node_id):
        raise EnodeError(f"{_short(url)}: a node id is 128 hex digits, this one has {len(node_id)}")
    if int(node_id, 16) == 0:
        raise EnodeError(f"{_short(url)}: the node id is empty")
    tcp = _port(match["tcp"], url, "port")
    udp = tcp if match["query"] is None else _discovery_port(match["query"], url)
    return Enode(node_id.lower(), _host(match["host"], url), tcp or None, udp or None)


def parse_static_peer(url: str) -> Enode:
    """Return the parts of a URL meant for `static-nodes.json`: it must listen, and not on loopback.

    Raises:
        EnodeError: it could not be dialled from another machine.
    """
    enode = parse_enode(url)
    if enode.tcp is None:
        raise EnodeError(f"{_short(url)}: a static peer needs a listening port")
    address = ip_address(enode.host)
    if address.is_loopback or address.is_unspecified or address.is_multicast:
        raise EnodeError(f"{_short(url)}: peers elsewhere can't dial {enode.host}")
    return enode


def _host(text: str, url: str) -> str:
    if not text:
        raise EnodeError(f"{_short(url)}: the host is missing")
    try:
        if text.startswith("["):
            return str(IPv6Address(text[1:-1]))
        return str(IPv4Address(text))
    except ValueError:
        message = f"{_short(url)}: the host {text!r} is no IP address"
        raise EnodeError(message, way_out="give the address peers dial, not a name") from None


def _port(text: str | None, url: str, what: str) -> int:
    if text is None or not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65535:
        raise EnodeError(f"{_short(url)}: the {what} {text or ''!r} is not between 0 and 65535")
    return int(text)


def _discovery_port(query: str, url: str) -> int:
    key, _, value = query.partition("=")
    if key != "discport":
        raise EnodeError(f"{_short(url)}: unknown part {query!r}")
    return _port(value, url, "discovery port")


def _short(url: str) -> str:
    return url if len(url) <= 60 else f"{url[:24]}…{url[-28:]}"

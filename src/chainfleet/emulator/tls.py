"""The emulator's own certificate authority, made once per state folder: clients' bundles stay valid."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

import trustme

_NAMES = ("127.0.0.1", "localhost")


class Authority:
    """A certificate authority whose certificate and key live in one folder; implements `seams.Tls`.

    Args:
        folder: where `ca.pem` and `ca.key` are kept (made where missing; the key with mode 0600).
    """

    def __init__(self, folder: Path) -> None:
        self.ca_file = folder / "ca.pem"
        key_file = folder / "ca.key"
        if self.ca_file.exists() and key_file.exists():
            self._ca = trustme.CA.from_pem(self.ca_file.read_bytes(), key_file.read_bytes())
        else:
            self._ca = trustme.CA(organization_name="chainfleet emulated cloud")
            write_private(key_file, self._ca.private_key_pem.bytes())
            self.ca_file.write_bytes(self._ca.cert_pem.bytes())
        self._context: ssl.SSLContext | None = None

    @property
    def ca_pem(self) -> str:
        """The authority's certificate in PEM."""
        return self._ca.cert_pem.bytes().decode()

    def server_context(self) -> ssl.SSLContext:
        """A context for servers on 127.0.0.1 and localhost; one object, shared by all servers."""
        if self._context is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            self._ca.issue_cert(*_NAMES).configure_cert(context)
            self._context = context
        return self._context


def write_private(file: Path, content: bytes) -> None:
    """Write a file atomically that only its owner may read."""
    temporary = file.with_name(file.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    temporary.replace(file)

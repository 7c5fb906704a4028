"""When the credentials of a kubeconfig run out."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any


def expiry_of(user: Any) -> float | None:
    """Return when a kubeconfig's user loses access, in seconds since 1970; None where it doesn't say.

    Args:
        user: the client library's view of the user: `token` and `client_cert_data` are looked at.
    """
    moments = (
        _token(getattr(user, "token", None)),
        _certificate(getattr(user, "client_cert_data", None)),
    )
    return min((moment for moment in moments if moment is not None), default=None)


def _token(token: str | None) -> float | None:
    """`exp` of a JSON Web Token; other tokens don't say."""
    parts = (token or "").split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(claims["exp"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        return None


def _certificate(data: str | None) -> float | None:
    if not data:
        return None
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(base64.b64decode(data)).not_valid_after_utc.timestamp()
    except (binascii.Error, ValueError):
        return None

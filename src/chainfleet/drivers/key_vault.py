"""Secrets in Azure's key vaults, through the Azure SDK's own pipeline: a vault says itself which token it wants.

A secret's value is in the body of one request and of one answer, and nowhere else: not in what is raised or logged.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from chainfleet.drivers import arm, azure
from chainfleet.model.errors import ErrorClass, TaskFailed

if TYPE_CHECKING:
    from azure.core import PipelineClient

_API_VERSION = "7.4"
_RENEW_BEFORE_S = 300
"""A token that ends sooner is renewed, so that it doesn't end on its way."""
_RESOURCE = re.compile(r'\b(?:resource|scope)="?([^",\s]+)"?')


@dataclass(frozen=True, slots=True)
class Kept:
    """A secret as a vault keeps it.

    Attributes:
        value: the secret.
        version: the vault's id of this version of it.
    """

    value: str = field(repr=False)
    version: str


class KeyVaults:
    """Reads and writes secrets; one for all vaults and threads. Tokens and connections are kept by who asks.

    Every method raises TaskFailed: the vault refused, can't be reached, or there is no token for it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callers: dict[tuple[str, ...], _Caller] = {}

    def get(self, environ: Mapping[str, str], vault_uri: str, name: str) -> Kept | None:
        """The newest version of a secret; None if there is none."""
        document = self._of(environ).send("GET", vault_uri, f"secrets/{name}")
        return None if document is None else _kept(document)

    def set(
        self, environ: Mapping[str, str], vault_uri: str, name: str, value: str, tags: Mapping[str, str]
    ) -> Kept:
        """Make a new version of a secret."""
        body = {"value": value, "contentType": "text/plain", "tags": dict(tags)}
        document = self._of(environ).send("PUT", vault_uri, f"secrets/{name}", body)
        if document is None:
            raise TaskFailed(ErrorClass.CONFIGURATION, f"{vault_uri} is no key vault", way_out=_LOOK)
        return _kept(document)

    def look(self, environ: Mapping[str, str], vault_uri: str) -> None:
        """List the names of a vault's secrets, to see that it can be reached and used."""
        self._of(environ).send("GET", vault_uri, "secrets")

    def _of(self, environ: Mapping[str, str]) -> _Caller:
        identity = tuple(environ.get(name, "") for name in azure.IDENTITY_VARIABLES)
        with self._lock:
            if identity not in self._callers:
                self._callers[identity] = _Caller(environ)
            return self._callers[identity]


class _Caller:
    """One identity with its tokens and connections."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        azure.load_sdk()
        from azure.core import PipelineClient
        from azure.core.pipeline.policies import RetryPolicy

        self._credential = azure.credential(environ)
        self._lock = threading.Lock()
        self._scopes: dict[str, str] = {}
        self._tokens: dict[str, Any] = {}
        # No retries: inside attempts the scheduler waits, and holds no slot meanwhile.
        self._client: PipelineClient[Any, Any] = PipelineClient(
            "", policies=[RetryPolicy(retry_total=0)], **arm.connection(environ)
        )

    def send(self, verb: str, vault_uri: str, path: str, body: Any = None) -> dict[str, Any] | None:
        """Ask a vault; None where there is no such secret."""
        from azure.core.exceptions import AzureError

        what = f"{path} of {vault_uri.removeprefix('https://').rstrip('/')}"
        try:
            token = self._token(self._scope(vault_uri, what))
            headers = {"Authorization": f"Bearer {token}"}
            response = self._request(verb, vault_uri, path, headers=headers, json=body)
            if response.status_code == 404:
                return None
            if response.status_code != 200:
                raise _refused(response, what)
            document = response.json()
        except AzureError as error:
            raise arm.unreachable(error, what) from error
        except ValueError:
            # Not the cause: whatever was no JSON may hold a key.
            message = f"{what}: what answers is no key vault"
            raise TaskFailed(ErrorClass.TRANSIENT, message, fingerprint="vault:no-json") from None
        return document if isinstance(document, dict) else {}

    def _request(self, verb: str, vault_uri: str, path: str, **parts: Any) -> Any:
        from azure.core.rest import HttpRequest

        url = f"{vault_uri.rstrip('/')}/{path}?api-version={_API_VERSION}"
        given = {name: part for name, part in parts.items() if part is not None}
        return self._client.send_request(HttpRequest(verb, url, **given))

    def _scope(self, vault_uri: str, what: str) -> str:
        """What a token for that vault is asked for, as the vault's challenge says; asked without any secret."""
        host = urlsplit(vault_uri).netloc
        if host not in self._scopes:
            response = self._request("GET", vault_uri, "secrets")
            if response.status_code != 401:
                raise _refused(response, what)
            challenge = response.headers.get("WWW-Authenticate", "")
            self._scopes[host] = challenged_scope(challenge, host)
        return self._scopes[host]

    def _token(self, scope: str) -> str:
        with self._lock:
            token = self._tokens.get(scope)
            if token is None or token.expires_on - time.time() < _RENEW_BEFORE_S:
                token = self._tokens[scope] = self._credential.get_token(scope)
            return str(token.token)


def challenged_scope(challenge: str, host: str) -> str:
    """The scope that a vault's challenge names.

    Args:
        challenge: its header `WWW-Authenticate`.
        host: the vault's host, with its port.

    Raises:
        TaskFailed: it names none, or one of another domain: a token for that would be given away to a stranger.
    """
    match = _RESOURCE.search(challenge)
    resource = match[1].removesuffix("/.default").rstrip("/") if match else ""
    domain = urlsplit(resource).netloc
    if not domain or not (host == domain or host.endswith(f".{domain}")):
        raise TaskFailed(
            ErrorClass.AUTHORISATION,
            f"{host} asks for a token for {resource or 'nothing'}: that is no key vault",
            fingerprint="vault:challenge",
            way_out="look who answers at that address: a proxy, or a name server that lies",
        )
    return f"{resource}/.default"


def _kept(document: Mapping[str, Any]) -> Kept:
    return Kept(str(document.get("value", "")), str(document.get("id", "")).rsplit("/", 1)[-1])


ROLE = (
    "assign the credentials the role of examples/permissions/azure-key-writer-role.json, or Key Vault Secrets Officer; "
    "one that was given just now takes up to ten minutes"
)
"""What credentials lack that a vault refuses."""
_LOOK = "`chainfleet drift FLEET` compares the vault with what was deployed"
_ADDRESS = "add this machine's address to clouds.azure.authorized_ip_ranges, then deploy the infrastructure"


def _refused(response: Any, what: str) -> TaskFailed:
    code, inner, reason = response.status_code, "", response.reason
    try:
        problem = response.json()["error"]
        inner = str((problem.get("innererror") or {}).get("code", ""))
        reason = f"{problem.get('code', '')}: {str(problem.get('message', '')).splitlines()[0]}"
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        pass
    error_class, way_out = _meaning(code, inner, what)
    retry_after = response.headers.get("Retry-After", "")
    return TaskFailed(
        error_class,
        f"{what}: {reason} ({inner or code})",
        retry_after_s=float(retry_after) if retry_after.isdigit() else None,
        fingerprint=f"vault:{inner or code}",
        way_out=way_out,
    )


def _meaning(code: int, inner: str, what: str) -> tuple[ErrorClass, str]:
    """Class and way out of a refusal."""
    if inner == "ForbiddenByFirewall":
        # A change of a vault's firewall takes a while to arrive, so this may pass.
        return ErrorClass.TRANSIENT, _ADDRESS
    if inner == "ObjectIsDeletedButRecoverable":
        name = what.partition(" ")[0].rpartition("/")[2]
        return ErrorClass.CONFIGURATION, f"bring it back: az keyvault secret recover --name {name}"
    if code in (401, 403):
        return ErrorClass.AUTHORISATION, ROLE
    if code == 429:
        return ErrorClass.THROTTLED, ""
    if code >= 500 or code in (408, 409):
        return ErrorClass.TRANSIENT, ""
    return ErrorClass.CONFIGURATION, _LOOK

"""AWS through its own SDK: credentials, clients for each region, and what errors mean.

boto3 is an extra (`chainfleet[aws]`) and is imported at the first call. Throttled calls are repeated by its
standard mode, with growing waits and jitter; `AWS_ENDPOINT_URL` points it elsewhere.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from chainfleet.model.errors import EnvironmentProblem, ErrorClass, TaskFailed

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError

_CONNECT_S, _READ_S = 10, 60
_TRIES = 8

_CREDENTIALS = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "AuthorizationError", "UnauthorizedOperation"})
_THROTTLED = frozenset(
    {
        "EC2ThrottledException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
ABSENT = frozenset(
    {"NoSuchResourceException", "ResourceNotFoundException", "NotFoundException", "NoSuchEntity"}
)
"""Codes that say that something isn't there; EC2's own end with `.NotFound`."""

DENIED = "aws:denied"
"""Start of the fingerprint of a call that the credentials may not make, though they are good."""


class AwsReader:
    """Reads an account in any region; one for all threads.

    Every method raises TaskFailed: AWS refused, can't be reached, or there are no credentials.

    Args:
        environ: credentials, and an endpoint other than AWS's own.

    Raises:
        EnvironmentProblem: boto3 isn't installed.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        boto3 = _boto3()
        self._environ = dict(environ)
        self._clients: dict[tuple[str, str], Any] = {}
        self._lock = threading.Lock()
        try:
            self._session = boto3.session.Session(
                aws_access_key_id=environ.get("AWS_ACCESS_KEY_ID"),
                aws_secret_access_key=environ.get("AWS_SECRET_ACCESS_KEY"),
                aws_session_token=environ.get("AWS_SESSION_TOKEN"),
                profile_name=environ.get("AWS_PROFILE"),
            )
        except _boto_error() as error:
            raise unreachable(error, "credentials") from error

    def close(self) -> None:
        """Give its connections back."""
        for client in self._clients.values():
            client.close()
        self._clients.clear()

    def read(self, service: str, region: str, operation: str, **options: Any) -> dict[str, Any]:
        """The answer to one call, e.g. `read("ec2", "eu-west-1", "describe_regions")`."""
        from botocore.exceptions import BotoCoreError, ClientError

        what = f"{service} {operation.replace('_', '-')} in {region}"
        try:
            answer: dict[str, Any] = getattr(self._client(service, region), operation)(**options)
        except ClientError as error:
            raise refused(error, what, service, region) from error
        except BotoCoreError as error:
            raise unreachable(error, what) from error
        return answer

    def rows(self, service: str, region: str, operation: str, key: str, **options: Any) -> list[Any]:
        """All rows of a list, page after page."""
        from botocore.exceptions import BotoCoreError, ClientError

        what = f"{service} {operation.replace('_', '-')} in {region}"
        try:
            pages = self._client(service, region).get_paginator(operation).paginate(**options)
            return [row for page in pages for row in page.get(key) or ()]
        except ClientError as error:
            raise refused(error, what, service, region) from error
        except BotoCoreError as error:
            raise unreachable(error, what) from error

    def _client(self, service: str, region: str) -> Any:
        from botocore.config import Config

        with self._lock:  # A session may be shared by threads only while it makes nothing.
            key = (service, region)
            if key not in self._clients:
                self._clients[key] = self._session.client(
                    service,
                    region_name=region,
                    endpoint_url=self._environ.get("AWS_ENDPOINT_URL"),
                    verify=self._environ.get("AWS_CA_BUNDLE") or None,
                    config=Config(
                        connect_timeout=_CONNECT_S,
                        read_timeout=_READ_S,
                        retries={"mode": "standard", "total_max_attempts": _TRIES},
                        user_agent_extra="chainfleet",
                    ),
                )
            return self._clients[key]


def _boto3() -> Any:
    try:
        import boto3
    except ImportError:
        message = "AWS is asked through boto3, which is not installed"
        raise EnvironmentProblem(message, way_out="pip install 'chainfleet[aws]'") from None
    return boto3


def _boto_error() -> type[Exception]:
    from botocore.exceptions import BotoCoreError

    error: type[Exception] = BotoCoreError
    return error


def is_absent(error: TaskFailed) -> bool:
    """Whether what was asked for isn't there."""
    code = error.fingerprint.removeprefix("aws:")
    return code in ABSENT or code.endswith(".NotFound")


def refused(error: ClientError, what: str, service: str, region: str) -> TaskFailed:
    """What an answer other than success means."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    reason = (str(error.response.get("Error", {}).get("Message", "")) or code).splitlines()[0][:300]
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    message = f"{what}: {code}: {reason}"
    if code in _CREDENTIALS:
        way_out = "renew the credentials (`aws sso login`, or new keys), and check AWS_PROFILE"
        return TaskFailed(ErrorClass.AUTHORISATION, message, fingerprint=f"aws:{code}", way_out=way_out)
    if code == "OptInRequired":
        way_out = f"aws account enable-region --region-name {region}"
        return TaskFailed(ErrorClass.AUTHORISATION, message, fingerprint=f"aws:{code}", way_out=way_out)
    if code in _DENIED:
        way_out = f"allow it in a policy of the role that asks ({what.rpartition(' in ')[0]})"
        return TaskFailed(ErrorClass.AUTHORISATION, message, fingerprint=f"{DENIED}:{code}", way_out=way_out)
    if code in _THROTTLED:
        limit = f"aws/{service}/{region}/read"
        return TaskFailed(ErrorClass.THROTTLED, message, limit=limit, fingerprint=f"aws:{code}")
    error_class = ErrorClass.TRANSIENT if status >= 500 else ErrorClass.CONFIGURATION
    return TaskFailed(error_class, message, fingerprint=f"aws:{code}")


def unreachable(error: BotoCoreError | Exception, what: str) -> TaskFailed:
    """What an error of the SDK itself means: no credentials, or no connection."""
    from botocore import exceptions as boto

    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    way_out = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; or `aws sso login`"
    no_credentials = (
        boto.CredentialRetrievalError,
        boto.NoCredentialsError,
        boto.PartialCredentialsError,
        boto.ProfileNotFound,
        boto.SSOError,
    )
    if isinstance(error, no_credentials):
        return TaskFailed(
            ErrorClass.AUTHORISATION, f"{what}: {reason}", fingerprint="aws:credentials", way_out=way_out
        )
    return TaskFailed(ErrorClass.TRANSIENT, f"{what}: {reason}", fingerprint="aws:connection")

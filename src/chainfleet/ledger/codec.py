"""Plain data in and out of JSON: events, commands, plans.

Types are written by their class names; the classes are the ones of `chainfleet.model`, nothing else is built.
"""

from __future__ import annotations

import dataclasses
import json
import operator
import types
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from functools import cache, partial
from json.encoder import encode_basestring_ascii as _quoted
from math import isfinite
from typing import Any, TypeVar

from chainfleet.model import environment as _environment
from chainfleet.model import event as _event
from chainfleet.model.errors import LedgerError
from chainfleet.model.task import Plan

T = TypeVar("T")

_TYPES: dict[str, type[Any]] = {
    cls.__name__: cls
    for cls in (
        *typing.get_args(_event.Event),
        *typing.get_args(_event.Command),
        *typing.get_args(_environment.EnvironmentEvent),
        Plan,
    )
}


def encode(value: Any) -> str:
    """One line of JSON for an event, a command or a plan: keys in alphabetical order, defaults left out."""
    parts = []
    for prefix, default, get in _layout(type(value)):  # type: ignore[arg-type]  # classes are hashable
        if get is None:
            parts.append(prefix)
            continue
        item = get(value)
        if item == default:
            continue
        kind = type(item)
        if isinstance(item, str):  # Texts, and the enumerations that are texts.
            parts.append(prefix + _quoted(item))
        elif kind is int or (kind is float and isfinite(item)):
            parts.append(f"{prefix}{item!r}")
        else:
            parts.append(prefix + _dumps(_plain(item)))
    return "{" + ",".join(parts) + "}"


def decode(text: str) -> Any:
    """The object that `encode` wrote.

    Raises:
        LedgerError: not JSON, or of a type this version doesn't know.
    """
    try:
        body = json.loads(text)
        cls = _TYPES[body.pop("type")]
        return _build(cls, body)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"a record of the ledger can't be read ({type(error).__name__}: {error})"
        raise LedgerError(
            message, way_out="was it written by a newer chainfleet? upgrade, or use another --state"
        ) from None


_dumps = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode

_Column = tuple[str, Any, Callable[[Any], Any] | None]


@cache
def _layout(cls: Any) -> tuple[_Column, ...]:
    """Of each key, in alphabetical order: what stands before its value, its default, how to get it (None: as is).

    A run writes five records for each task; asking a dataclass for its fields each time was half of the work.
    """
    name = _quoted(cls.__name__)
    rows: dict[str, _Column] = {"type": (f'"type":{name}', None, None)}
    for field in dataclasses.fields(cls):
        rows[field.name] = (f'"{field.name}":', _default(field), operator.attrgetter(field.name))
    return tuple(row for _, row in sorted(rows.items()))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            f.name: _plain(v)
            for f in dataclasses.fields(value)
            if (v := getattr(value, f.name)) != _default(f)
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _default(field: dataclasses.Field[Any]) -> Any:
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return dataclasses.MISSING


Shape = Callable[[Any], Any]


@cache
def _shapes(cls: Any) -> dict[str, Shape | None]:
    """How the value of each field becomes what the class holds; None where it is that already."""
    return {name: _shape(hint) for name, hint in typing.get_type_hints(cls).items()}


def _build(cls: type[T], body: Mapping[str, Any]) -> T:
    shapes: dict[str, Shape | None] = _shapes(cls)  # type: ignore[arg-type]  # classes are hashable
    values = {}
    for name, value in body.items():
        if name not in shapes:
            raise KeyError(f"{cls.__name__}.{name}")
        shape = shapes[name]
        values[name] = value if shape is None or value is None else shape(value)
    return cls(**values)


def _shape(hint: Any) -> Shape | None:
    """Looked up once for each field: a run of 100,000 records has two for each of them."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _shape(next(arg for arg in args if arg is not type(None)))
    if origin is tuple:
        return _each(_shape(args[0]) if args else None)
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping):
        return _values(_shape(args[1]))
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return partial(_build, hint)
    return None


def _each(shape: Shape | None) -> Shape:
    if shape is None:
        return tuple
    return lambda items: tuple(None if item is None else shape(item) for item in items)


def _values(shape: Shape | None) -> Shape:
    if shape is None:
        return dict
    return lambda items: {key: None if item is None else shape(item) for key, item in items.items()}

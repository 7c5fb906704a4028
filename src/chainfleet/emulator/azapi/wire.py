"""Terraform's values on the wire: MessagePack with unknowns, dynamic values and their types.

Values are kept as they came wherever possible. An unknown may carry refinements, and Terraform insists
on getting back exactly what it sent; so unknowns stay the extension objects that were read.
"""

from __future__ import annotations

import json
from typing import Any

import msgpack
from tf.gen import tfplugin_pb2 as pb

UNKNOWN = msgpack.ExtType(0, b"\x00")
"""An unknown value without refinements."""

State = dict[str, Any]


def read(value: pb.DynamicValue) -> State | None:
    """Decode a value that Terraform sent; None is null."""
    if value.msgpack:
        decoded: State | None = msgpack.unpackb(value.msgpack)
        return decoded
    if value.json:
        document: State | None = json.loads(value.json)
        return document
    return None


def written(state: State | None) -> pb.DynamicValue:
    """Encode a value for Terraform; None is null."""
    return pb.DynamicValue(msgpack=msgpack.packb(state))


def is_known(value: Any) -> bool:
    """Whether neither the value nor anything in it is unknown."""
    if isinstance(value, msgpack.ExtType):
        return False
    if isinstance(value, dict):
        return all(is_known(item) for item in value.values())
    if isinstance(value, list):
        return all(is_known(item) for item in value)
    return True


def plain(dynamic: Any) -> Any:
    """The value inside a dynamic value; unknown and null stay what they are."""
    return dynamic[1] if isinstance(dynamic, list) else dynamic


def dynamic(value: Any) -> Any:
    """Wrap a JSON value as a dynamic one, with the type that it implies."""
    if value is None:
        return None
    return [json.dumps(_implied(value), separators=(",", ":")).encode(), value]


def _implied(value: Any) -> Any:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, list):
        return ["tuple", [_implied(item) for item in value]]
    if isinstance(value, dict):
        return ["object", {key: _implied(item) for key, item in value.items()}]
    return "dynamic"

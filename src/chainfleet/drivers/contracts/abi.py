"""Calls, events and errors of a contract in the chain's encoding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from .artefacts import Artefact, load

_ERROR_STRING = "08c379a0"
_PANIC = "4e487b71"


@dataclass(frozen=True, slots=True)
class Revert:
    """Why a call was reverted.

    Attributes:
        name: the error's name, e.g. `AggregatorUnknownOracle`; `Error` for a string, "" if there is no data.
        arguments: its values by name.
    """

    name: str
    arguments: Mapping[str, Any]

    def __str__(self) -> str:
        if not self.name:
            return "reverted without a reason (out of gas, or a failed call inside)"
        return f"{self.name}({', '.join(f'{name}={_text(value)}' for name, value in self.arguments.items())})"


class Abi:
    """Encodes calls to a contract and decodes what comes back."""

    def __init__(self, entries: Sequence[Mapping[str, Any]]) -> None:
        from eth_utils.crypto import keccak

        self._functions: dict[str, Mapping[str, Any]] = {}
        self._errors: dict[str, Mapping[str, Any]] = {}
        self._events: dict[str, tuple[str, Mapping[str, Any]]] = {}
        self._selectors: dict[str, bytes] = {}
        self._constructor: Sequence[Mapping[str, Any]] = ()
        for entry in entries:
            kind = entry["type"]
            if kind == "constructor":
                self._constructor = entry["inputs"]
                continue
            if kind not in ("function", "error", "event"):
                continue
            digest = keccak(text=f"{entry['name']}({','.join(_types(entry['inputs']))})")
            if kind == "function":
                self._functions[entry["name"]] = entry
                self._selectors[entry["name"]] = digest[:4]
            elif kind == "error":
                self._errors[digest[:4].hex()] = entry
            else:
                self._events[entry["name"]] = (f"0x{digest.hex()}", entry)

    def call(self, function: str, *arguments: Any) -> str:
        """Return a call's data as `0x…`."""
        from eth_abi.abi import encode

        entry = self._functions[function]
        return "0x" + (self._selectors[function] + encode(list(_types(entry["inputs"])), arguments)).hex()

    def constructor(self, *arguments: Any) -> bytes:
        """Return the constructor's encoded arguments."""
        from eth_abi.abi import encode

        return encode(list(_types(self._constructor)), arguments)

    def result(self, function: str, data: str) -> tuple[Any, ...]:
        """Decode what a call returned; structs become tuples."""
        from eth_abi.abi import decode

        return tuple(decode(list(_types(self._functions[function]["outputs"])), bytes.fromhex(data[2:])))

    def topic(self, event: str) -> str:
        """First topic of an event."""
        return self._events[event][0]

    def event(self, name: str, log: Mapping[str, Any]) -> dict[str, Any]:
        """Decode a log of an event into its values by name (indexed values of static types only)."""
        from eth_abi.abi import decode

        inputs = self._events[name][1]["inputs"]
        indexed = [item for item in inputs if item["indexed"]]
        plain = [item for item in inputs if not item["indexed"]]
        values: dict[str, Any] = {}
        for item, topic in zip(indexed, log["topics"][1:], strict=True):
            values[item["name"]] = decode([item["type"]], bytes.fromhex(topic[2:]))[0]
        for item, value in zip(
            plain, decode(list(_types(plain)), bytes.fromhex(log["data"][2:])), strict=True
        ):
            values[item["name"]] = value
        return values

    def revert(self, data: str) -> Revert:
        """Decode the data of a revert."""
        from eth_abi.abi import decode
        from eth_abi.exceptions import DecodingError

        selector, body = data[2:10], bytes.fromhex(data[10:])
        if not selector:
            return Revert("", {})
        try:
            if selector == _ERROR_STRING:
                return Revert("Error", {"reason": decode(["string"], body)[0]})
            if selector == _PANIC:
                return Revert("Panic", {"code": decode(["uint256"], body)[0]})
            entry = self._errors[selector]
            values = decode(list(_types(entry["inputs"])), body)
            return Revert(entry["name"], {i["name"]: v for i, v in zip(entry["inputs"], values, strict=True)})
        except (KeyError, DecodingError):
            return Revert("unknown error", {"data": data})


@cache
def abi_of(name: str) -> Abi:
    """The interface of one of our contracts."""
    return Abi(load(name).abi)


def abi_of_artefact(artefact: Artefact) -> Abi:
    """The interface of an artefact."""
    return abi_of(artefact.name)


def _types(items: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for item in items:
        kind: str = item["type"]
        if kind.startswith("tuple"):
            yield f"({','.join(_types(item['components']))}){kind[5:]}"
        else:
            yield kind


def _text(value: Any) -> str:
    return "0x" + value.hex() if isinstance(value, bytes) else str(value)

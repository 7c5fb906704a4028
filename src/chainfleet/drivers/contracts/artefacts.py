"""The compiled contracts: what is deployed, and how to tell whether it is what lies on a chain.

They are committed, so that deploying needs no Node; `contracts/scripts/compile.mjs` makes them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from chainfleet.model.errors import EnvironmentProblem

_PACKAGED = Path(__file__).parent / "artefacts"
_REPOSITORY = Path(__file__).parents[4] / "contracts" / "artefacts"

AGGREGATOR = "Aggregator"
ORACLE_WITH_CCIP = "OracleWithCCIP"


@dataclass(frozen=True, slots=True)
class Artefact:
    """One compiled contract.

    Attributes:
        name: the contract's name.
        source: its source unit.
        compiler: solc's version with its commit.
        source_hash: SHA-256 of the exact standard-JSON input.
        bytecode_hash: SHA-256 of the creation code (hex, as solc prints it).
        bytecode: creation code, without constructor arguments.
        runtime: deployed code; immutables are zero.
        immutables: (start, length) of every immutable in it, in bytes.
        abi: the interface.
    """

    name: str
    source: str
    compiler: str
    source_hash: str
    bytecode_hash: str
    bytecode: bytes
    runtime: bytes
    immutables: tuple[tuple[int, int], ...]
    abi: Sequence[Mapping[str, Any]]

    def same_code(self, deployed: bytes) -> bool:
        """Whether code on a chain is this contract's, whatever its immutables are."""
        return len(deployed) == len(self.runtime) and self._masked(deployed) == self._masked(self.runtime)

    def _masked(self, code: bytes) -> bytes:
        masked = bytearray(code)
        for start, length in self.immutables:
            masked[start : start + length] = bytes(length)
        return bytes(masked)


def folder() -> Path:
    """Where the artefacts are: in the installed package, else in the repository."""
    for path in (_PACKAGED, _REPOSITORY):
        if (path / f"{AGGREGATOR}.json").is_file():
            return path
    raise EnvironmentProblem(
        "the compiled contracts are missing",
        way_out="reinstall chainfleet, or run `npm run compile` in contracts/",
    )


@cache
def load(name: str) -> Artefact:
    """Return a contract's artefact.

    Raises:
        EnvironmentProblem: it is missing or damaged.
    """
    path = folder() / f"{name}.json"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return Artefact(
            name=data["name"],
            source=data["source"],
            compiler=data["compiler"],
            source_hash=data["source_hash"],
            bytecode_hash=data["bytecode_hash"],
            bytecode=bytes.fromhex(data["bytecode"][2:]),
            runtime=bytes.fromhex(data["deployed_bytecode"][2:]),
            immutables=tuple((place["start"], place["length"]) for place in data["immutable_references"]),
            abi=data["abi"],
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EnvironmentProblem(f"{path} can't be used: {error}", way_out="reinstall chainfleet") from error


def standard_json(name: str) -> str:
    """Return the exact standard-JSON input that the artefact was compiled from."""
    return (folder() / f"{name}.input.json").read_text(encoding="utf-8").rstrip("\n")

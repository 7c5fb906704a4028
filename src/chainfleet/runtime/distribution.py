"""How a run is spread over workers: which pool takes what, and how long a worker may be silent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainfleet.model.errors import InputError
from chainfleet.model.task import Phase

LEASE_S = 10.0
"""A worker that has not been heard of for so long is lost, unless it said otherwise: its attempts are fenced and moved."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """How a run is distributed.

    Attributes:
        document: the fleet file as one document, its references unresolved: workers resolve them by their own means.
        time_scale: how much faster than real the cloud is.
        pools: name of the pool by phase; the empty phase stands for all others.
        lease_s: the usual lease of its workers; they are looked for four times in it.
        private_clusters: whether clusters are reached from inside their networks only.
    """

    document: str
    time_scale: float
    pools: Mapping[str, str]
    lease_s: float = LEASE_S
    private_clusters: bool = False

    def pool_of(self, phase: Phase) -> str:
        """The pool that takes attempts of a phase."""
        return self.pools.get(phase.value, self.pools[""])


def pools_of(words: Sequence[str]) -> dict[str, str]:
    """Which pool takes which phase: `NAME` for all, `PHASE=NAME` for one; the empty phase stands for the others.

    Raises:
        InputError: a phase is not known, or some have no pool.
    """
    pools = {}
    for word in words:
        phase, _, name = word.rpartition("=")
        if phase and phase not in set(Phase):
            raise InputError(f"--pool {word}: not known", way_out=f"phases are {', '.join(Phase)}")
        pools[phase] = name
    if "" not in pools:
        raise InputError("--pool: some phases have no pool", way_out="give one --pool NAME without a phase")
    return pools

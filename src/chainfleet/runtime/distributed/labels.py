"""Which worker may take which attempt: what a task needs, what a worker has, and the queue where the two meet.

A queue is named for a pool and what its attempts need, so that a worker can name beforehand every queue whose attempts
it could carry out, and procrastinate wakes it for those alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import get_args

from chainfleet.model.errors import InputError
from chainfleet.model.fleet import Cloud, Fleet
from chainfleet.model.task import Limit, LimitKind, Phase, Task
from chainfleet.model.variables import Variable

CLOUDS: tuple[str, ...] = tuple(sorted(get_args(Cloud)))
REACHES = ("inside", "outside")
MEMORY_GIB = (1, 4, 16, 64)
"""Sizes by which attempts with much memory are told apart; a worker takes those that fit into its own."""
_MIB = 1024

CREDENTIALS: Mapping[str, tuple[tuple[Variable, ...], str]] = {
    "aws": ((Variable.AWS_ACCESS_KEY_ID, Variable.AWS_PROFILE, Variable.AWS_ROLE_ARN), ".aws"),
    "azure": (
        (Variable.AZURE_CLIENT_ID, Variable.ARM_CLIENT_ID, Variable.AZURE_FEDERATED_TOKEN_FILE),
        ".azure",
    ),
    "gcp": ((Variable.GOOGLE_APPLICATION_CREDENTIALS,), ".config/gcloud"),
}
"""By which variables, and which path below the home folder, a cloud's credentials are seen."""


CLUSTER_TOOLS: Mapping[str, str] = {"aws": "aws", "gcp": "gke-gcloud-auth-plugin"}
"""The program by which one signs in to a cloud's clusters."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a worker must have to carry out an attempt.

    Attributes:
        clouds: whose credentials it needs.
        reach: `inside` or `outside` the clusters' networks; empty where it doesn't matter.
        terraform_gib: memory for Terraform as one of `MEMORY_GIB`; 0 where none is run.
    """

    clouds: tuple[str, ...] = ()
    reach: str = ""
    terraform_gib: int = 0

    def queue(self, pool: str) -> str:
        """Name of the queue of a pool where such attempts wait."""
        return f"{pool}|{'+'.join(self.clouds)}|{self.reach}|{self.terraform_gib or ''}"

    def words(self) -> list[str]:
        """The labels that a worker has to carry, as they are given to `--label`."""
        return [f"cloud={cloud}" for cloud in self.clouds] + ([f"reach={self.reach}"] if self.reach else [])

    def __str__(self) -> str:
        terraform = [f"terraform and {self.terraform_gib} GiB for it"] if self.terraform_gib else []
        return ", ".join([*self.words(), *terraform])


@dataclass(frozen=True, slots=True)
class Labels:
    """What a worker has.

    Attributes:
        clouds: whose tasks it takes.
        reaches: from where it works.
        terraform: version of its Terraform; empty where there is none that will do.
        memory_mib: memory for attempts.
    """

    clouds: tuple[str, ...] = CLOUDS
    reaches: tuple[str, ...] = REACHES
    terraform: str = ""
    memory_mib: int = 0

    def meets(self, needs: Needs) -> bool:
        """Whether it may take such an attempt."""
        return (
            set(needs.clouds) <= set(self.clouds)
            and (not needs.reach or needs.reach in self.reaches)
            and (not needs.terraform_gib or needs.terraform_gib in self._sizes())
        )

    def queues(self, pool: str) -> list[str]:
        """Every queue of a pool whose attempts it may take."""
        return [needs.queue(pool) for needs in self._all_needs()]

    def _all_needs(self) -> Iterator[Needs]:
        for reach in ("", *self.reaches):
            for count in range(len(self.clouds) + 1):
                for clouds in combinations(sorted(self.clouds), count):
                    yield Needs(clouds, reach)
            for size in self._sizes():
                yield from (Needs((cloud,), reach, size) for cloud in self.clouds)

    def _sizes(self) -> tuple[int, ...]:
        return tuple(gib for gib in MEMORY_GIB if self.terraform and gib * _MIB <= self.memory_mib)

    def encode(self) -> str:
        """As JSON, for the worker's row."""
        return json.dumps([self.clouds, self.reaches, self.terraform, self.memory_mib])

    @staticmethod
    def decode(text: str) -> Labels:
        """What `encode` wrote."""
        clouds, reaches, terraform, memory_mib = json.loads(text)
        return Labels(tuple(clouds), tuple(reaches), terraform, memory_mib)


def needs_of(task: Task, fleet: Fleet, limits: Iterable[Limit], *, private: bool) -> Needs:
    """What a worker needs for a task.

    Args:
        task: of a plan.
        fleet: that the plan is of.
        limits: the plan's.
        private: whether clusters are reached from inside their networks only.
    """
    if task.phase is Phase.INFRASTRUCTURE:
        memory = {limit.name for limit in limits if limit.kind is LimitKind.MEMORY}
        mib = sum(demand.amount for demand in task.demands if demand.limit in memory)
        size = next((gib for gib in MEMORY_GIB if mib <= gib * _MIB), MEMORY_GIB[-1])
        return Needs(_clouds_of(task, fleet), "outside" if private else "", size)
    if not _meets_clusters(task, fleet):
        return Needs((), "outside" if private else "")
    return Needs(_clouds_of(task, fleet), "inside" if private else "")


def _meets_clusters(task: Task, fleet: Fleet) -> bool:
    """Whether a task that makes no infrastructure talks to clusters: all but files and foreign chains."""
    if task.region is not None:
        return True
    foreign = {chain.name for chain in fleet.contracts.chains if chain.rpc_url is not None}
    files = task.phase is Phase.BESU and task.action in ("keys", "genesis", "peers")
    return not files and not (task.phase is Phase.CONTRACTS and task.subject in foreign)


def _clouds_of(task: Task, fleet: Fleet) -> tuple[str, ...]:
    """The cloud of its region; of a task of the network those of all regions."""
    here = {r.cloud for r in fleet.regions if task.region in (None, r.name)}
    return tuple(sorted(here))


def labels_of(words: Sequence[str], environ: Mapping[str, str], *, terraform: str, memory_mib: int) -> Labels:
    """What a worker has: labels that were given, else the clouds whose credentials it sees, else all.

    Raises:
        InputError: a label isn't known.
    """
    given: dict[str, list[str]] = {"cloud": [], "reach": []}
    known = {"cloud": CLOUDS, "reach": REACHES}
    for word in words:
        key, _, value = word.partition("=")
        if value not in known.get(key, ()):
            choices = ", ".join(f"{k}={'|'.join(values)}" for k, values in known.items())
            raise InputError(f"--label {word}: not known", way_out=f"labels are {choices}")
        given[key].append(value)
    seen = seen_clouds(environ)
    clouds = given["cloud"] or ([*seen, "kubeconfig"] if seen else list(CLOUDS))
    return Labels(tuple(sorted(set(clouds))), tuple(given["reach"]) or REACHES, terraform, memory_mib)


def lacking(clouds: Iterable[str], which: Callable[[str], str | None]) -> list[str]:
    """What a worker that takes tasks of these clouds should have on PATH and has not, a line each."""
    return [
        f"cloud {cloud}: no {tool} on PATH, so its clusters can't be reached from here"
        for cloud, tool in CLUSTER_TOOLS.items()
        if cloud in clouds and which(tool) is None
    ]


def seen_clouds(environ: Mapping[str, str]) -> list[str]:
    """Clouds whose credentials are there to be seen; an identity that comes with the machine can't be seen."""
    home = Path(environ.get(Variable.HOME) or "/nowhere")
    return [
        cloud
        for cloud, (names, path) in CREDENTIALS.items()
        if any(environ.get(name) for name in names) or (home / path).exists()
    ]

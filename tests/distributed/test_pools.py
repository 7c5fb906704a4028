"""Which worker takes what, and whose turn it is."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

from chainfleet.model.errors import InputError
from chainfleet.model.event import Verdict
from chainfleet.model.fleet import Fleet
from chainfleet.model.task import Estimate, Phase, Plan, Task
from chainfleet.runtime.distributed.labels import (
    CLOUDS,
    MEMORY_GIB,
    Labels,
    Needs,
    labels_of,
    lacking,
    needs_of,
)
from chainfleet.runtime.distributed.tables import open_tables
from chainfleet.runtime.distribution import Distribution
from chainfleet.runtime.operations import RunResult, open_environment, scaled, start_run
from chainfleet.runtime.state import StateFolder
from chainfleet.runtime.targets import TargetOptions, remember_workers
from chainfleet.scheduling.planning import make_plan

PROGRAMS = Path(__file__).with_name("programs.py")
EXAMPLE = Path(__file__).parents[2] / "examples" / "chain-138.yaml"

LEASE_S = 6.0

StartWorker = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start_worker(database: str, tmp_path: Path) -> Iterator[StartWorker]:
    """Starts workers with labels and slots; they are ended with the test."""
    (tmp_path / "world").mkdir()
    workers = []

    def begin(labels: str = "", slots: int = 8, seconds: str = "0.02") -> subprocess.Popen[str]:
        arguments = [
            "worker",
            database,
            str(tmp_path / "home"),
            str(tmp_path / "world"),
            seconds,
            str(LEASE_S),
        ]
        env = {**os.environ, "LABELS": labels, "SLOTS": str(slots)}
        command = [sys.executable, str(PROGRAMS), *arguments]
        workers.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env))
        out = workers[-1].stdout
        assert out is not None
        assert "serves pool default" in out.readline()
        return workers[-1]

    yield begin
    for worker in workers:
        worker.terminate()
        worker.communicate(timeout=60)


def story(tmp_path: Path) -> list[tuple[float, str, str, int, int]]:
    lines = (tmp_path / "world" / "story").read_text().splitlines()
    return [tuple(json.loads(line)) for line in lines]


# --- who may take what -----------------------------------------------------------------------------


def test_a_worker_serves_just_the_queues_whose_attempts_it_may_take() -> None:
    everything = [
        Needs(clouds, reach, gib)
        for clouds in [(), *((cloud,) for cloud in CLOUDS), ("aws", "azure"), CLOUDS]
        for reach in ("", "inside", "outside")
        for gib in (0, *MEMORY_GIB)
        if not gib or len(clouds) == 1
    ]
    for clouds, reaches, terraform, mib in product(
        [("aws",), ("aws", "azure"), CLOUDS], [("inside",), ("inside", "outside")], ["", "1.9.0"], [900, 5000]
    ):
        labels = Labels(clouds, reaches, terraform, mib)
        queues = labels.queues("p")
        assert len(queues) == len(set(queues))
        assert [n for n in everything if n.queue("p") in queues] == [n for n in everything if labels.meets(n)]
        assert Labels.decode(labels.encode()) == labels


def test_labels_are_those_given_else_the_clouds_whose_credentials_are_seen(tmp_path: Path) -> None:
    bare = {"HOME": str(tmp_path)}

    def clouds(words: list[str], environ: dict[str, str]) -> tuple[str, ...]:
        return labels_of(words, environ, terraform="", memory_mib=0).clouds

    assert clouds([], bare) == CLOUDS
    assert clouds([], {**bare, "AWS_PROFILE": "me"}) == ("aws", "kubeconfig")
    assert clouds(["cloud=azure", "cloud=gcp"], {**bare, "AWS_PROFILE": "me"}) == ("azure", "gcp")
    (tmp_path / ".azure").mkdir()
    assert clouds([], bare) == ("azure", "kubeconfig")
    with pytest.raises(InputError, match=r"--label cloud=mars: not known"):
        clouds(["cloud=mars"], bare)
    with pytest.raises(InputError, match=r"--label gpu=1: not known"):
        clouds(["gpu=1"], bare)


def test_what_tasks_need(chain_138: Fleet) -> None:
    plan = make_plan(chain_138, "r1")

    def needs(task: str, *, private: bool = False) -> Needs:
        return needs_of(plan.task(task), chain_138, plan.limits, private=private)

    assert needs("infrastructure/network/northeurope") == Needs(("azure",), "", 1)
    assert needs("infrastructure/network/northeurope", private=True) == Needs(("azure",), "outside", 1)
    assert needs("kubernetes/base/northeurope", private=True) == Needs(("azure",), "inside")
    assert needs("besu/genesis/network") == Needs()
    assert needs("besu/chain/network", private=True) == Needs(("azure",), "inside")
    assert needs("contracts/deploy/mainnet", private=True) == Needs((), "outside")


def test_tasks_of_private_clusters_go_to_workers_inside_and_wait_where_there_is_none(
    database: str, start_worker: StartWorker, chain_138: Fleet, tmp_path: Path
) -> None:
    outside = start_worker("cloud=azure reach=outside")
    said: list[str] = []
    inside: list[subprocess.Popen[str]] = []

    def tell(line: str) -> None:
        said.append(line)
        if not inside:
            inside.append(start_worker("cloud=azure reach=inside"))

    with open_environment(
        scaled(chain_138, 1000.0), StateFolder(tmp_path / "home" / "e", database), {}
    ) as environment:
        environment.tell = tell
        environment.distribution = Distribution(
            EXAMPLE.read_text(), 1000.0, {"": "default"}, lease_s=LEASE_S, private_clusters=True
        )
        result = asyncio.run(
            start_run(environment, make_plan(environment.fleet, "r1"), "r-deploy", lambda _: [])
        )
    assert result.finish.verdict is Verdict.SUCCEEDED
    assert said[0].startswith("no worker of pool default has cloud=azure, reach=inside: ")
    asked = f"chainfleet worker --pool default --label cloud=azure --label reach=inside --ledger {database}"
    assert said[0].endswith(f"({asked})")
    # Where the worker is quick the run is over before it could be told.
    assert said[1:] in ([], ["pool default is served by a worker that has cloud=azure, reach=inside"])
    by: dict[int, set[str]] = {}
    for _, what, task, _, pid in story(tmp_path):
        if what == "effect":
            by.setdefault(pid, set()).add(task)
    assert {task.split("/")[0] for task in by[inside[0].pid]} == {
        *("kubernetes", "besu", "contracts", "monitoring", "verification")
    }
    assert all(task.startswith("infrastructure/") for task in by[outside.pid] if "/network/" in task[:23])
    assert not any(task.startswith("kubernetes/") for task in by[outside.pid])
    assert not any(task.startswith("infrastructure/") for task in by[inside[0].pid])


def test_a_worker_without_terraform_says_so_and_takes_no_infrastructure() -> None:
    labels = labels_of([], {"HOME": "/nowhere"}, terraform="", memory_mib=8000)
    assert not labels.meets(Needs(("azure",), "", 1))
    assert labels.meets(Needs(("azure",)))


def test_what_a_cloud_needs_beside_credentials_is_told_when_a_worker_joins() -> None:
    assert lacking(("azure", "kubeconfig"), lambda _: None) == []
    assert lacking(("aws", "gcp"), lambda tool: f"/bin/{tool}") == []
    assert lacking(("aws", "azure"), lambda _: None) == [
        "cloud aws: no aws on PATH, so its clusters can't be reached from here"
    ]


def test_pools_are_remembered_until_a_deployment_without_them(tmp_path: Path) -> None:
    state = StateFolder(tmp_path / "e").prepare()
    assert TargetOptions().with_workers(state).pools is None
    remember_workers(state, TargetOptions(pools=["default", "besu=near"], private_clusters=True))
    kept = TargetOptions().with_workers(state)
    assert (kept.pools, kept.private_clusters) == (["default", "besu=near"], True)
    assert TargetOptions(pools=["other"]).with_workers(state).pools == ["other"]
    remember_workers(state, TargetOptions())
    assert TargetOptions().with_workers(state).pools is None


# --- whose turn it is -------------------------------------------------------------------------------


def side_by_side(fleet: Fleet, name: str, count: int) -> Plan:
    one = Task(f"besu/{name}/0", Phase.BESU, estimate=Estimate(0.1), timeout_s=60.0)
    tasks = tuple(replace(one, id=f"besu/{name}/{number}") for number in range(count))
    return replace(make_plan(fleet, "r1"), tasks=tasks, limits=())


def test_an_environment_with_few_attempts_is_not_held_up_by_one_with_hundreds(
    database: str, start_worker: StartWorker, chain_138: Fleet, tmp_path: Path
) -> None:
    results: dict[str, RunResult] = {}
    tables = open_tables(database)

    def run(name: str, count: int) -> None:
        with open_environment(
            scaled(chain_138, 1000.0), StateFolder(tmp_path / "home" / name, database), {}
        ) as environment:
            environment.distribution = Distribution(EXAMPLE.read_text(), 1000.0, {"": "default"})
            plan = side_by_side(environment.fleet, name, count)
            results[name] = asyncio.run(start_run(environment, plan, f"{name}-deploy", lambda _: []))

    def begin(name: str, count: int, jobs: int) -> threading.Thread:
        """All its attempts wait when this returns."""
        thread = threading.Thread(target=run, args=(name, count))
        thread.start()
        deadline = time.monotonic() + 60
        while tables.rows("SELECT count(*) FROM procrastinate_jobs")[0][0] < jobs:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return thread

    runs = [begin("many", 250, 250), begin("few", 12, 262)]
    start_worker(slots=4)
    for thread in runs:
        thread.join()
    tables.close()
    assert {result.finish.verdict for result in results.values()} == {Verdict.SUCCEEDED}
    began = [task for _, what, task, *_ in story(tmp_path) if what == "began"]
    last = max(place for place, task in enumerate(began) if task.startswith("besu/few/"))
    assert last < 12 * 2 + 8, f"the last of 12 came {last + 1}th of {len(began)}"

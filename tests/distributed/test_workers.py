"""What an operator may do wrong with workers, and how they leave."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chainfleet.ledger.projection import MISSING_WORKERS, RunView
from chainfleet.model.errors import EnvironmentProblem, InputError
from chainfleet.model.event import Verdict
from chainfleet.model.fleet import Fleet
from chainfleet.runtime.distributed import worker as working
from chainfleet.runtime.distributed.executor import machine_of
from chainfleet.runtime.distributed.hearing import Hearing
from chainfleet.runtime.distributed.tables import open_tables
from chainfleet.runtime.distributed.worker import Worker, WorkerOptions
from chainfleet.runtime.distribution import Distribution, pools_of
from chainfleet.runtime.operations import Environment, open_environment, scaled, start_run
from chainfleet.runtime.own_attempts import SILENT
from chainfleet.runtime.state import StateFolder
from chainfleet.scheduling.planning import make_plan

PROGRAMS = Path(__file__).with_name("programs.py")
EXAMPLE = Path(__file__).parents[2] / "examples" / "chain-138.yaml"


@pytest.fixture
def environment(database: str, chain_138: Fleet, tmp_path: Path) -> Iterator[Environment]:
    folder = StateFolder(tmp_path / "home" / "e", database)
    with open_environment(scaled(chain_138, 1000.0), folder, {}) as opened:
        opened.distribution = Distribution(EXAMPLE.read_text(), 1000.0, {"": "default"}, lease_s=2.0)
        yield opened


def start_worker(
    database: str, tmp_path: Path, seconds: str = "0.02", home: str = "home"
) -> subprocess.Popen[str]:
    (tmp_path / "world").mkdir(exist_ok=True)
    arguments = ["worker", database, str(tmp_path / home), str(tmp_path / "world"), seconds, "60"]
    worker = subprocess.Popen([sys.executable, PROGRAMS, *arguments], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    assert "serves pool default: 8 attempts at once" in worker.stdout.readline()
    return worker


def test_logs_progress_and_outputs_come_back_and_sigterm_ends_what_runs(
    environment: Environment, database: str, tmp_path: Path
) -> None:
    worker = start_worker(database, tmp_path)
    plan = make_plan(environment.fleet, "r1")
    result = asyncio.run(start_run(environment, plan, "r-deploy", lambda _: []))
    assert result.finish.verdict is Verdict.SUCCEEDED
    task = next(task.id for task in plan.tasks if task.phase.value == "infrastructure")
    assert result.view.outputs[task] == {"genesis_hash": "0x1"}
    log = environment.state.log("r-deploy", task, 1).read_text()
    assert f"handed out as r-deploy/{task}/1" in log
    assert "done" in log
    cores, memory_mib, workers = machine_of(database, ["default", "other"])
    assert workers == 1
    assert cores >= 1
    assert memory_mib >= 1024
    assert machine_of(database, ["other"])[2] == 0
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=60) == 0
    tables = open_tables(database)
    assert tables.rows("SELECT count(*) FROM worker") == [(0,)]
    assert tables.rows("SELECT count(*) FROM attempt WHERE NOT over") == [(0,)]
    assert tables.rows("SELECT count(*) FROM procrastinate_jobs") == [(0,)]
    tables.close()
    assert worker.stdout is not None
    worker.stdout.close()


def test_logs_are_sent_while_they_are_written_where_no_folder_is_shared(
    environment: Environment, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hear = Hearing._hear

    async def hear_and_be_slow(self: Hearing) -> None:
        """A worker says its last words, and its end, right after it was listened to."""
        await hear(self)
        await asyncio.sleep(0.3)

    monkeypatch.setattr(Hearing, "_hear", hear_and_be_slow)
    worker = start_worker(database, tmp_path, seconds="0.25", home="somewhere-else")
    plan = make_plan(environment.fleet, "r1")
    early: set[str] = set()

    class Looking:
        """Finds logs of attempts that have begun and are not over."""

        def see(self, at: float, things: object) -> None:
            for path in environment.state.run("r-deploy").glob("logs/*.log"):
                text = path.read_text()
                if "attempt 1 of" in text and "done" not in text:
                    early.add(path.name)

    result = asyncio.run(start_run(environment, plan, "r-deploy", lambda _: [Looking()]))
    worker.terminate()
    worker.communicate(timeout=60)
    assert result.finish.verdict is Verdict.SUCCEEDED
    assert early, "some lines came before their attempt was over"
    for task in plan.tasks:
        if task.kind.value == "work":
            lines = environment.state.log("r-deploy", task.id, 1).read_text().splitlines()
            assert [line.split(" ", 1)[1] for line in lines] == [
                f"out as r-deploy/{task.id}/1",
                f"attempt 1 of {task.id}",
                "done",
            ]
            assert (tmp_path / "somewhere-else" / "e" / "runs").exists()


def test_a_pool_that_no_worker_serves_is_said_and_the_run_waits(
    environment: Environment, database: str, tmp_path: Path
) -> None:
    said: list[str] = []
    workers: list[subprocess.Popen[str]] = []

    def tell(line: str) -> None:
        said.append(line)
        if not workers:
            workers.append(start_worker(database, tmp_path))

    environment.tell = tell
    result = asyncio.run(start_run(environment, make_plan(environment.fleet, "r1"), "r-deploy", lambda _: []))
    for worker in workers:
        worker.terminate()
        worker.communicate(timeout=60)
    assert said[0].startswith("no worker serves pool default: ")
    assert said[0].endswith(f" attempts wait (chainfleet worker --pool default --ledger {database})")
    assert said[1] == "pool default is served"
    assert result.finish.verdict is Verdict.SUCCEEDED
    notes = [r.body for r in environment.ledger.records("r-deploy") if r.subject == MISSING_WORKERS]
    assert notes == [json.dumps([said[0]]), "[]"]
    view = RunView("r-deploy")
    view.notes[MISSING_WORKERS] = json.loads(notes[0])
    assert view.missing_workers == [said[0]], "status and portal show it"


def test_a_job_that_died_with_a_worker_which_had_not_begun_is_handed_out_again(
    environment: Environment, database: str, tmp_path: Path
) -> None:
    """Between procrastinate's fetch and our claim a worker may die: then nobody has the attempt."""
    tables = open_tables(database)
    lost: list[int] = []

    def tell(_: str) -> None:
        # Nobody serves the pool yet: what a dead worker fetched looks just like this.
        lost.append(tables.change("DELETE FROM procrastinate_jobs WHERE status = 'todo'"))
        workers.append(start_worker(database, tmp_path))

    workers: list[subprocess.Popen[str]] = []
    environment.tell = lambda line: tell(line) if not workers else None
    plan = make_plan(environment.fleet, "r1")
    result = asyncio.run(start_run(environment, plan, "r-deploy", lambda _: []))
    for worker in workers:
        worker.terminate()
        worker.communicate(timeout=60)
    tables.close()
    assert lost[0] > 0
    assert result.finish.verdict is Verdict.SUCCEEDED


def test_each_worker_says_for_how_long_it_may_be_silent(database: str) -> None:
    tables = open_tables(database)
    for lease_s in (10, 60_000):
        sql = """INSERT INTO worker (pool, host, pid, version, cores, memory_mib, slots, tools, labels, lease_s, seen)
            VALUES ('default', 'h', 1, '1', 4, 1024, 8, '', '', ?, clock_timestamp() - make_interval(secs => 20))"""
        tables.change(sql, (lease_s,))
    tables.close()
    assert machine_of(database, ["default"]) == (4.0, 1024, 1)


def test_a_worker_of_another_version_does_not_join(database: str, tmp_path: Path) -> None:
    tables = open_tables(database)
    tables.change("INSERT INTO meta VALUES ('version', '0.0.1')")
    tables.close()
    worker = Worker(WorkerOptions(database, "default", tmp_path, slots=1), say=lambda _: None)
    with pytest.raises(InputError, match=r"its coordinators are 0\.0\.1"):
        asyncio.run(worker.run())
    worker.close()


def test_workers_without_a_database_are_refused(chain_138: Fleet, tmp_path: Path) -> None:
    with open_environment(scaled(chain_138, 1000.0), StateFolder(tmp_path / "e"), {}) as opened:
        opened.distribution = Distribution("", 1.0, {"": "default"})
        with pytest.raises(InputError, match="workers need the ledger in PostgreSQL"):
            asyncio.run(start_run(opened, make_plan(opened.fleet, "r1"), "r-deploy", lambda _: []))


@pytest.mark.parametrize(("words", "said"), [(["besu=a"], "some phases"), (["moon=a", "b"], "phases are")])
def test_pools_that_leave_a_phase_out_are_refused(words: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        pools_of(words)


def test_pools_by_phase() -> None:
    assert pools_of(["default", "infrastructure=big"]) == {"": "default", "infrastructure": "big"}


def test_the_command_tells_what_is_wrong(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "chainfleet.cli.main", "worker", "--home", str(tmp_path), "--ledger"]
    for url, code in (("postgresql://me:pw@db/x", 2), ("postgresql://postgres@127.0.0.1:1/x", 3)):
        done = subprocess.run(
            [*command, url], capture_output=True, text=True, check=False, env={**os.environ}
        )
        assert done.returncode == code, done.stderr
        assert done.stderr.startswith("error: ")
        assert "way out:" in done.stderr


def test_a_worker_whose_database_stays_away_says_so_in_a_line_and_ends(
    own_postgresql: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(working, "engine", partial(working.engine, patience_s=0.5))
    said: list[str] = []

    def stop_when_it_serves() -> None:
        tables = open_tables(own_postgresql.url)
        while not tables.rows("SELECT 1 FROM procrastinate_workers"):
            time.sleep(0.05)
        tables.close()
        own_postgresql.stop()

    def say(line: str) -> None:
        said.append(line)
        if len(said) == 1:
            threading.Thread(target=stop_when_it_serves, daemon=True).start()

    worker = Worker(WorkerOptions(own_postgresql.url, "default", tmp_path, 2, lease_s=1.0), say=say)
    with pytest.raises(
        EnvironmentProblem, match="the database of the workers has been away for too long: "
    ) as raised:
        asyncio.run(worker.run())
    assert "start the worker again" in raised.value.way_out
    assert said[0].startswith("worker 1 serves pool default: ")
    assert said[1:] in ([], [SILENT])

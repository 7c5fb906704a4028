"""A real Terraform, killed at random moments: the next attempt finishes, and nothing is left over."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from chainfleet.drivers.terraform import TerraformDriver, applying, process, states
from chainfleet.model.errors import ErrorClass, TaskFailed

if TYPE_CHECKING:
    from conftest import Workbench

REGION = "northeurope"
NUMBERS = 12

# Built-in resources only; each notes in a file that it was made.
MODULE = """
variable "region" {}
resource "terraform_data" "number" {
  count = %d
  input = count.index
  provisioner "local-exec" {
    command = "sleep 0.02; echo ${count.index} >> made.txt"
  }
}
output "numbers" { value = terraform_data.number[*].output }
"""


@pytest.fixture
def built_in(workbench: Workbench, tmp_path: Path) -> Workbench:
    """A workbench whose modules need no cloud."""
    folder = tmp_path / "modules" / "azure" / "network"
    folder.mkdir(parents=True)
    folder.joinpath("main.tf").write_text(MODULE % NUMBERS)
    workbench.driver = TerraformDriver(tmp_path / "modules")
    return workbench


def leftovers(root: Path) -> list[str]:
    names = (".terraform.tfstate.lock.info", ".chainfleet-running.json", "chainfleet_adoption.tf.json")
    return [name for name in names if (root / name).exists()]


def groups_below_us() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if child.name().startswith(("terraform", "tofu"))]


async def failure_of(workbench: Workbench) -> ErrorClass | None:
    try:
        await workbench.change("network", REGION)
    except TaskFailed as error:
        return error.error_class
    return None


async def kill_soon(after_s: float, number: signal.Signals) -> None:
    await asyncio.sleep(after_s)
    for child in groups_below_us():
        os.killpg(child.pid, number)


SEEDS = range(int(os.environ.get("CHAINFLEET_KILL_SEEDS", "3")))
"""Four kills each; CHAINFLEET_KILL_SEEDS=13 makes it more than fifty."""


@pytest.mark.parametrize("seed", SEEDS)
def test_killed_at_random_moments_the_next_attempt_goes_on(built_in: Workbench, seed: int) -> None:
    chance = random.Random(seed)

    async def run() -> None:
        root = built_in.root(REGION, "network")
        for _ in range(4):
            how = chance.choice([signal.SIGKILL, signal.SIGINT])
            killer = asyncio.create_task(kill_soon(chance.uniform(0.05, 0.5), how))
            assert await failure_of(built_in) in (None, ErrorClass.TRANSIENT)
            await killer
            assert groups_below_us() == []
            assert leftovers(root) == []
        await built_in.change("network", REGION)
        assert built_in.outputs[f"infrastructure/network/{REGION}"]["numbers"] == list(range(NUMBERS))
        assert leftovers(root) == []
        assert not (await built_in.change("network", REGION)).changed

    asyncio.run(run())


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_on_the_cloud_nothing_is_doubled_or_lost(workbench: Workbench, seed: int) -> None:
    chance = random.Random(seed)

    async def run() -> None:
        for _ in range(4):
            killer = asyncio.create_task(kill_soon(chance.uniform(0.1, 0.6), signal.SIGKILL))
            # A call of the killed process may still be under way in Azure: then it is a conflict.
            assert await failure_of(workbench) in (None, ErrorClass.TRANSIENT, ErrorClass.CONFLICT)
            await killer
        await workbench.change("network", REGION)
        assert await workbench.observe("network", REGION) is not None
        top = [
            each
            for each in workbench.resources()
            if "/subnets/" not in each and "/securityRules/" not in each
        ]
        assert len(top) == 6
        await workbench.undo("network", REGION)
        assert workbench.resources() == []

    asyncio.run(run())


def test_a_cancelled_attempt_stops_terraform_in_order(built_in: Workbench) -> None:
    async def run() -> None:
        task = asyncio.create_task(built_in.change("network", REGION))
        async with asyncio.timeout(60):
            while not built_in.progress:  # noqa: ASYNC110 - told by another process
                await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert any("Interrupt received" in line for line in built_in.log)
        assert groups_below_us() == []
        assert leftovers(built_in.root(REGION, "network")) == []
        state = built_in.root(REGION, "network") / "terraform.tfstate"
        if state.exists():
            assert json.loads(state.read_text())["version"] == 4
        else:  # It was interrupted before anything was made.
            assert not any(text.endswith(": done") for text in built_in.progress)

    asyncio.run(run())


def test_a_state_that_was_cut_short_is_recovered(workbench: Workbench) -> None:
    left = '{"version": 4, "ter'

    async def run() -> None:
        await workbench.change("network", REGION)
        before = workbench.resources()
        state = workbench.root(REGION, "network") / "terraform.tfstate"
        state.write_text(left)
        assert await workbench.observe("network", REGION) is None
        await workbench.change("network", REGION)
        assert workbench.resources() == before
        assert any("was cut short" in line for line in workbench.log)
        assert state.with_name("terraform.tfstate.damaged").read_text() == left
        assert await workbench.observe("network", REGION) is not None

    asyncio.run(run())


@pytest.mark.parametrize("left", ["", "{", "[]", '{"version": 3}'])
def test_a_damaged_state_is_put_aside_for_its_backup(tmp_path: Path, left: str) -> None:
    state = tmp_path / "terraform.tfstate"
    good = '{"version": 4, "serial": 7, "lineage": "l", "resources": [], "outputs": {}}'
    state.write_text(left)
    assert "starts anew" in states.recover(state)
    assert states.read_state(state) is None
    state.write_text(left)
    state.with_name("terraform.tfstate.backup").write_text(good)
    assert "backup took its place" in states.recover(state)
    assert state.read_text() == good
    assert states.recover(state) == ""


def test_a_damaged_state_is_never_taken_for_an_empty_one_when_destroying(workbench: Workbench) -> None:
    async def run() -> None:
        await workbench.change("network", REGION)
        (workbench.root(REGION, "network") / "terraform.tfstate").write_text("{")
        with pytest.raises(TaskFailed, match="was damaged"):
            await workbench.undo("network", REGION)
        assert workbench.resources()

    asyncio.run(run())


def test_one_that_ignores_the_interrupt_is_killed_after_the_grace(tmp_path: Path) -> None:
    script = "trap '' INT; echo deaf; while true; do sleep 0.05; done"
    deaf = asyncio.Event()

    async def run() -> None:
        task = asyncio.create_task(
            process.run(
                ["sh", "-c", script],
                folder=tmp_path,
                environ=os.environ,
                on_line=lambda _: deaf.set(),
                grace_s=0.3,
            )
        )
        await deaf.wait()
        start = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - start >= 0.3
        assert not (tmp_path / ".chainfleet-running.json").exists()

    asyncio.run(run())


def test_where_its_output_can_t_be_kept_it_is_stopped_all_the_same(tmp_path: Path) -> None:
    seen: list[str] = []

    def full(line: str) -> None:
        seen.append(line)
        raise OSError("no space left on the device")

    async def run() -> None:
        script = "trap '' INT; echo $$; while true; do echo more; sleep 0.05; done"
        with pytest.raises(OSError, match="no space"):
            await process.run(
                ["sh", "-c", script], folder=tmp_path, environ=os.environ, on_line=full, grace_s=0.3
            )
        assert not psutil.pid_exists(int(seen[0]))
        assert not (tmp_path / ".chainfleet-running.json").exists()

    asyncio.run(run())


def test_where_its_output_can_t_be_kept_it_still_has_its_grace(tmp_path: Path) -> None:
    def full(line: str) -> None:
        raise OSError("no space left on the device")

    async def run() -> None:
        script = (
            "trap 'echo stopping; echo kept > state; exit 0' INT; echo begun; while true; do sleep 0.05; done"
        )
        with pytest.raises(OSError, match="no space"):
            await process.run(
                ["sh", "-c", script], folder=tmp_path, environ=os.environ, on_line=full, grace_s=60
            )
        assert (tmp_path / "state").read_text() == "kept\n"

    asyncio.run(run())


ORPHAN_MAKER = """
import asyncio, os, sys
from pathlib import Path
from chainfleet.drivers.terraform import process
asyncio.run(process.run(["sh", "-c", "echo up; exec sleep 60"], folder=Path(sys.argv[1]), environ=os.environ,
                        on_line=lambda line: print(line, flush=True), grace_s=5))
"""


def test_a_process_that_outlived_a_killed_chainfleet_is_stopped_first(tmp_path: Path) -> None:
    ours = subprocess.Popen(
        [sys.executable, "-c", ORPHAN_MAKER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert ours.stdout is not None
    assert ours.stdout.readline() == "up\n"
    orphan = psutil.Process(json.loads((tmp_path / ".chainfleet-running.json").read_text())["pid"])
    ours.kill()
    ours.wait()
    ours.stdout.close()
    assert orphan.is_running()
    said = asyncio.run(process.stop_leftover(tmp_path, grace_s=5))
    assert str(orphan.pid) in said
    assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
    assert not (tmp_path / ".chainfleet-running.json").exists()


def test_a_process_id_that_was_given_to_somebody_else_is_left_alone(tmp_path: Path) -> None:
    note = {"pid": os.getpid(), "created": 1.0}
    (tmp_path / ".chainfleet-running.json").write_text(json.dumps(note))
    assert "had ended" in asyncio.run(process.stop_leftover(tmp_path, grace_s=5))


def test_a_lock_that_somebody_holds_is_reported_and_not_broken(
    built_in: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        await built_in.change("network", REGION)
        root = built_in.root(REGION, "network")
        hold = (
            "import fcntl, sys, time; f = open(sys.argv[1], 'rb+'); fcntl.lockf(f, fcntl.LOCK_EX);"
            "print('held', flush=True); time.sleep(60)"
        )
        holder = await asyncio.create_subprocess_exec(
            sys.executable, "-c", hold, str(root / "terraform.tfstate"), stdout=asyncio.subprocess.PIPE
        )
        assert holder.stdout is not None
        await holder.stdout.readline()
        note = root / ".terraform.tfstate.lock.info"
        lock = {"ID": "1-2-3", "Operation": "OperationTypeApply", "Who": "ops@bastion", "Version": "1.11.4"}
        note.write_text(json.dumps({**lock, "Created": "2026-11-23T20:00:00Z", "Path": "terraform.tfstate"}))
        monkeypatch.setattr(applying, "_LOCK_WAIT_S", 1)
        with pytest.raises(TaskFailed, match="ops@bastion") as caught:
            await built_in.change("network", REGION)
        assert caught.value.error_class is ErrorClass.STATE_LOCK
        assert note.exists()
        holder.kill()
        await holder.wait()
        assert states.clear_stale_lock(root / "terraform.tfstate")
        assert not note.exists()

    asyncio.run(run())

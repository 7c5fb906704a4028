"""The embedded Terraform behaves like the program."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chainfleet.drivers.terraform import embedded

if TYPE_CHECKING:
    from conftest import Workbench

pytestmark = pytest.mark.skipif(embedded.library() is None, reason="the embedded extra is not installed")

COMMAND = [sys.executable, "-I", embedded.__file__]
SLOW = """
resource "terraform_data" "slow" {
  provisioner "local-exec" { command = "sleep 5" }
}
resource "terraform_data" "after" { input = terraform_data.slow.id }
"""


def test_it_answers_and_passes_the_exit_code_on(tmp_path: Path) -> None:
    done = subprocess.run([*COMMAND, "version", "-json"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["terraform_version"].startswith("1.")
    (tmp_path / "main.tf").write_text("resource {")
    done = subprocess.run([*COMMAND, "validate", "-no-color"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert "main.tf line 1" in done.stderr
    (tmp_path / "main.tf").write_text('resource "terraform_data" "a" {}')
    plan = [*COMMAND, "plan", "-detailed-exitcode"]
    assert subprocess.run(plan, cwd=tmp_path, capture_output=True, check=False).returncode == 2


def test_an_interrupt_ends_it_in_order(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text(SLOW)
    apply = [*COMMAND, "apply", "-auto-approve", "-json"]
    process = subprocess.Popen(apply, cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    for line in process.stdout:
        if '"type":"apply_start"' in line:
            break
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Interrupt received" in rest
    assert not (tmp_path / ".terraform.tfstate.lock.info").exists()


def test_the_driver_works_with_it_where_nothing_is_on_the_path(workbench: Workbench, tmp_path: Path) -> None:
    workbench.environ = {**workbench.environ, "PATH": str(tmp_path)}
    assert asyncio.run(workbench.change("network", "northeurope")).changed
    assert any(line.startswith("embedded terraform 1.") for line in workbench.log)
    assert asyncio.run(workbench.undo("network", "northeurope")).changed
    assert workbench.resources() == []

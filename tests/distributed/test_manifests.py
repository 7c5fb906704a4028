"""The manifests in `examples/` are such that systemd and Kubernetes take them, and the program knows the commands."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

EXAMPLES = Path(__file__).parents[2] / "examples"
UNITS = sorted(EXAMPLES.glob("*.service"))
KUBERNETES = "1.34"


def documents() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((EXAMPLES / "chainfleet-kubernetes.yaml").read_text(encoding="utf-8")))


def known(arguments: list[str]) -> None:
    """The program knows that command and all its options."""
    command = [sys.executable, "-m", "chainfleet.cli.main", *arguments, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    offered = done.stdout
    assert all(word in offered for word in arguments if word.startswith("--")), arguments


def test_kubernetes_takes_them() -> None:
    for document in documents():
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    assert {d["metadata"]["name"] for d in documents() if d["kind"] == "Deployment"} == {
        *("chainfleet-worker", "chainfleet-coordinator", "chainfleet-portal")
    }


def test_the_program_knows_what_they_start() -> None:
    for document in documents():
        if document["kind"] == "Deployment":
            known(document["spec"]["template"]["spec"]["containers"][0]["args"])
    for unit in UNITS:
        line = next(line for line in unit.read_text().splitlines() if line.startswith("ExecStart="))
        known([word.replace("%i", "x") for word in shlex.split(line)[1:]])


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_takes_them(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("needs the Debian package systemd")
    # What they start lies elsewhere on the machines they are for; here it is the Python that runs the tests.
    text = unit.read_text().replace("/opt/chainfleet/bin/chainfleet", sys.executable)
    (tmp_path / unit.name).write_text(text)
    name = unit.name.replace("@", "@default")
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(tmp_path / name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    complaints = [line for line in done.stderr.splitlines() if unit.name.split(".")[0].split("@")[0] in line]
    assert not complaints, complaints
    assert done.returncode == 0, done.stderr

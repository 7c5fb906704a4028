"""The wheel in an empty environment, far from the repository: everything that a newcomer does with it works."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from portal_program import portal

from chainfleet import __version__
from chainfleet.drivers.terraform import check_tool
from chainfleet.emulator.chain.anvil import find_anvil
from chainfleet.model.errors import EnvironmentProblem

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]


@dataclass(frozen=True)
class Machine:
    """A folder with nothing but an environment into which a release was installed."""

    folder: Path
    program: Path
    environ: Mapping[str, str]

    def run(
        self, *words: str, expect: int = 0, environ: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [str(self.program), *words],
            cwd=self.folder,
            env=dict(environ or self.environ),
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == expect, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done


def make_release(folder: Path) -> Path:
    words = [str(ROOT / "tools" / "release"), "", str(folder)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    return folder


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `tools/release` makes."""
    return make_release(tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="module")
def machine(release: Path, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    folder = tmp_path_factory.mktemp("elsewhere")
    python = folder / "environment" / "bin" / "python"
    uv = Path(sys.executable).with_name("uv")
    install = [str(uv), "pip", "install", "--quiet", "--python", str(python)]
    locked = next(release.glob("*-requirements.txt"))
    wheel = next(release.glob("*.whl"))
    quiet = {"check": True, "timeout": 200, "cwd": folder}
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / "environment")], **quiet)
    subprocess.run([*install, "--require-hashes", "-r", str(locked)], **quiet)
    subprocess.run([*install, "--no-deps", "--compile-bytecode", str(wheel)], **quiet)
    # What the locked packages are is what the wheel asks for.
    subprocess.run([str(uv), "pip", "check", "--quiet", "--python", str(python)], **quiet)
    (folder / "home").mkdir()
    kept = {name: value for name, value in os.environ.items() if name in ("LANG", "LC_ALL", "TMPDIR")}
    path = f"{python.parent}:{_only('terraform', 'tofu', folder=folder / 'tools')}"
    return Machine(
        folder, python.with_name("chainfleet"), {**kept, "PATH": path, "HOME": str(folder / "home")}
    )


def _only(*names: str, folder: Path) -> Path:
    """A folder for PATH with these programs, as far as this machine has them, and no other."""
    folder.mkdir()
    for name in names:
        if found := shutil.which(name):
            (folder / name).symlink_to(found)
    return folder


def test_the_release_holds_what_its_checksums_say(release: Path) -> None:
    lines = (release / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split() for line in lines)}
    assert sums == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in release.glob("chainfleet-*")
    }
    assert len(sums) == 3


def test_the_same_commit_gives_the_same_bytes(release: Path, tmp_path: Path) -> None:
    again = make_release(tmp_path)
    assert (again / "SHA256SUMS").read_text() == (release / "SHA256SUMS").read_text()


def test_the_bill_of_materials_names_python_pages_and_contracts(release: Path) -> None:
    bom = json.loads(next(release.glob("*.cdx.json")).read_text())
    parts = {part["purl"].split("@")[0]: part for part in bom["components"]}
    assert bom["metadata"]["component"]["version"] == __version__
    assert {"pkg:pypi/pydantic", "pkg:pypi/fastapi", "pkg:npm/vue", "pkg:npm/react"} <= set(parts)
    assert "pkg:npm/%40openzeppelin/contracts" in parts
    assert "pkg:pypi/pytest" not in parts
    assert "pkg:npm/vite" not in parts
    assert [name for name, part in parts.items() if not part["hashes"]] == []
    told = [part for part in parts.values() if part.get("licenses")]
    assert len(told) > 0.9 * len(parts)


def test_a_tag_that_is_not_the_version_makes_no_release(tmp_path: Path) -> None:
    done = subprocess.run(
        [str(ROOT / "tools" / "release"), "v99.0.0", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert f"tag v99.0.0 is not v{__version__}" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_nothing_of_the_repository_is_used(machine: Machine) -> None:
    code = "import chainfleet, sys; print(chainfleet.__file__); print(sys.path)"
    python = str(machine.program.with_name("python"))
    told = subprocess.run([python, "-c", code], capture_output=True, text=True, cwd=machine.folder, check=True,
                          env=dict(machine.environ)).stdout  # fmt: skip
    assert told.startswith(str(machine.folder))
    assert str(ROOT) not in told


def test_what_needs_no_cloud(machine: Machine) -> None:
    assert machine.run("--version").stdout == f"chainfleet {__version__}\n"
    (machine.folder / "fleet.yaml").write_text(machine.run("init", "--name", "far", "--regions", "4").stdout)
    assert "far: ok" in machine.run("check", "fleet.yaml").stdout
    assert "8 validators in 4 regions" in machine.run("plan", "fleet.yaml").stdout
    assert "P90" in machine.run("rehearse", "fleet.yaml", "--runs", "50").stdout
    machine.run("render", "fleet.yaml")
    assert (machine.folder / "rendered" / "northeurope").is_dir()


def test_a_missing_anvil_is_told_with_the_way_out(machine: Machine) -> None:
    done = machine.run("deploy", "fleet.yaml", "--emulated", "--yes", "--plain", expect=3)
    assert "anvil isn't installed" in done.stderr
    assert "put anvil on PATH" in done.stderr


def test_a_deployment_and_both_builds_of_the_pages(machine: Machine) -> None:
    try:
        check_tool(os.environ)
        anvil = find_anvil(os.environ)
    except EnvironmentProblem as error:
        pytest.skip(str(error))
    (machine.folder / "tools" / "anvil").symlink_to(anvil)
    done = machine.run("deploy", "fleet.yaml", "--emulated", "--yes", "--plain", "--time-scale", "120")
    assert "SUCCEEDED: far, 4 of 4 regions" in done.stdout
    assert "8 of 8 ready" in done.stdout
    status = json.loads(machine.run("status", "fleet.yaml", "--json").stdout)
    assert status["verdict"] == "succeeded"
    _look_at_pages(machine)


def _look_at_pages(machine: Machine) -> None:
    with portal([str(machine.program), "portal"], folder=machine.folder, environ=machine.environ) as base:
        for name in ("vue", "react"):
            page = _get(f"{base}/ui/{name}/")
            assert '<div id="app">' in page
            scripts = re.findall(r'(?:src|href)="\./(assets/[^"]+)"', page)
            assert scripts
            for script in scripts:
                assert _get(f"{base}/ui/{name}/{script}")


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return str(answer.read().decode())

"""A region that a provider's stand-in has as the modules make it, and the command that imports it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from chainfleet.drivers.terraform import roots
from chainfleet.drivers.terraform.modules import modules_folder
from chainfleet.model.fleet_file import load_fleet
from chainfleet.model.task import Phase, Task

STAND_IN = Path(__file__).parents[1] / "terraform" / "stand_in.py"


class Bench:
    """One region of a fleet."""

    def __init__(self, folder: Path, text: str, region: str, environ: Mapping[str, str]) -> None:
        self.folder, self.region = folder, region
        self.environ = dict(environ)
        self.cloud = folder / "cloud.json"
        self.fleet_file, self.env_file, self.state = (
            folder / "fleet.yaml",
            folder / "environment.json",
            folder / "state",
        )
        self.fleet_file.write_text(text)
        self.env_file.write_text(json.dumps(self.environ))
        self.fleet = load_fleet("f.yaml", lambda _: text, self.environ).fleet
        # Set by who makes the bench.
        self.gate: Any = None
        self.builder: Any = None

    def make(self) -> None:
        """Apply both roots, as a deployment would."""
        outputs: dict[str, Any] = {}
        for action in ("network", "cluster"):
            attempt = SimpleNamespace(
                task=Task(f"infrastructure/{action}/{self.region}", Phase.INFRASTRUCTURE, region=self.region),
                fleet=self.fleet,
                workspace=self.folder / "made",
                environ=self.environ,
                outputs=outputs.__getitem__,
            )
            root = roots.root_of(attempt, modules_folder())  # type: ignore[arg-type]
            root.write()
            self._terraform(root.folder, "apply", "-auto-approve", "-input=false", "-no-color")
            said = json.loads(self._terraform(root.folder, "output", "-json"))
            outputs[attempt.task.id] = {name: row["value"] for name, row in said.items()}

    def _terraform(self, folder: Path, *words: str) -> str:
        environ = os.environ | self.environ
        done = subprocess.run(["terraform", *words], cwd=folder, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, command: str, *options: str, expect: int = 0) -> Any:
        done = self._command(command, *options, "--json")
        assert done.returncode == expect, done.stderr + done.stdout
        return json.loads(done.stdout)

    def fails(self, command: str, *, code: int = 1) -> str:
        """What is said of an error that concerns all regions."""
        done = self._command(command)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr

    def _command(self, command: str, *options: str) -> subprocess.CompletedProcess[str]:
        words = [command, str(self.fleet_file), "--state", str(self.state), "--env-file", str(self.env_file)]
        only = ["--only", self.region] if command == "import" else []
        line = [sys.executable, "-m", "chainfleet.cli.main", *words, *only, *options]
        return subprocess.run(line, capture_output=True, text=True, check=False, timeout=200)

    def findings(self, document: Any) -> dict[str, int]:
        assert document[self.region]["problem"] == ""
        return dict(Counter(row["finding"] for row in document[self.region]["resources"]))

    def blocks(self, stage: str) -> list[dict[str, str]]:
        path = self.state / "workspace" / "terraform" / self.region / stage / "chainfleet_adoption.tf.json"
        blocks: list[dict[str, str]] = json.loads(path.read_text())["import"]
        return blocks

    def lose_states(self) -> None:
        shutil.rmtree(self.state, ignore_errors=True)

    def change(self, kind: str, name: str, **values: Any) -> None:
        """Change what the cloud has behind everybody's back."""
        document = json.loads(self.cloud.read_text())
        document[kind][name] |= values
        self.cloud.write_text(json.dumps(document))

    def remove(self, kind: str, name: str) -> None:
        """Remove something behind everybody's back."""
        document = json.loads(self.cloud.read_text())
        del document[kind][name]
        self.cloud.write_text(json.dumps(document))


@contextmanager
def bench(
    folder: Path, text: str, region: str, provider: str, cloud: Any, environ: Mapping[str, str]
) -> Iterator[Bench]:
    """A bench with a stand-in of the provider over that cloud."""
    (folder / "cloud.json").write_text(json.dumps(cloud))
    command = [sys.executable, str(STAND_IN), str(folder / "cloud.json"), provider]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        settings = {
            "TF_REATTACH_PROVIDERS": process.stdout.readline().strip(),
            "TF_CLI_CONFIG_FILE": os.devnull,
        }
        try:
            yield Bench(folder, text, region, {**environ, **settings})
        finally:
            process.communicate()

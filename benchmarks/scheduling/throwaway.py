"""An environment for peers that this project does not depend on: made for a benchmark, thrown away after it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PEERS = (
    "prefect==3.8.8",
    "fastapi<0.140",
    "dask[distributed]==2026.8.0",
    "dbos==3.4.0",
    "ansible-core==2.19.*",
    "ortools==9.15.*",
)
PROGRAMS = Path(__file__).resolve().parent / "peer_programs"
REUSE = "CHAINFLEET_PEERS"
"""Environment variable: a folder with an environment to use again, for those who repeat the benchmark."""


class Peers:
    """Programs in that environment."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"

    def run(self, program: str, given: Any, *, seconds: float = 600) -> dict[str, Any]:
        """Run one of `peer_programs` with a JSON document; what it prints last is its answer."""
        with tempfile.TemporaryDirectory() as home:
            path = Path(home) / "given.json"
            path.write_text(json.dumps(given))
            environ = {
                **os.environ,
                "PREFECT_HOME": home,
                "HOME": home,
                "PREFECT_SERVER_ANALYTICS_ENABLED": "0",
            }
            command = [str(self.bin / "python"), str(PROGRAMS / f"{program}.py"), str(path)]
            try:
                done = subprocess.run(
                    command,
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=seconds,
                    env=environ,
                    cwd=home,
                )
            except subprocess.TimeoutExpired:
                return {"problem": f"not done in {seconds:g} s"}
            if done.returncode != 0:
                return {"problem": (done.stderr.strip().splitlines() or ["failed"])[-1][:80]}
            answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
            return answer


@contextmanager
def peers() -> Iterator[Peers]:
    """Make the environment, or take the one that is named."""
    named = os.environ.get(REUSE)
    if named:
        yield Peers(Path(named))
        return
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        print("installing the peers into a throw-away environment …", file=sys.stderr, flush=True)
        venv.create(folder, with_pip=True)
        command = [f"{folder}/bin/pip", "install", "--quiet", "--disable-pip-version-check", *PEERS]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        yield Peers(Path(folder))

"""Makes docs/pictures: `python tools/pictures` all of them, `python tools/pictures drawn` those that need no deployment.

Nothing is drawn from invented data: the graph is the plan's, the Gantt chart is of two runs on the emulated cloud, recordings are
of real commands, pages of the portal are photographed in a real Chromium on those runs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from architecture import architecture
from gantt import gantt
from phases import phases
from terminal import live_frames, output_of, recording

sys.path.append(str(Path(__file__).parents[1]))

from portal_program import portal

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "pictures"
EXAMPLE = "examples/chain-138.yaml"
TIME_SCALE = 15
"""Slow enough that this machine's own work hardly counts in the Gantt chart: as on a real cloud, waiting is what takes time."""
CHAINFLEET = str(Path(sys.executable).with_name("chainfleet"))

PAGES = {
    "portal-now": ("now?env={env}", "light"),
    "portal-gantt": ("runs/{run}/gantt?env={env}", "dark"),
    "portal-graph": ("runs/{run}/graph?env={env}", "light"),
}


def main(words: list[str]) -> None:
    """Make them."""
    FOLDER.mkdir(exist_ok=True)
    write("architecture.svg", architecture())
    write("phases.svg", phases())
    for command in ("plan", "rehearse"):
        said = output_of([CHAINFLEET, command, EXAMPLE], ROOT)
        write(f"terminal-{command}.svg", recording(f"chainfleet {command} {EXAMPLE}", said))
    if "drawn" in words:
        return
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        states = {mode: home / mode for mode in ("max", "ultra")}
        for mode, state in states.items():
            line = f"deploy {EXAMPLE} --emulated --time-scale {TIME_SCALE} --yes --mode {mode}"
            frames = live_frames([CHAINFLEET, *line.split(), "--state", str(state)], ROOT)
        middle = next(frame for frame in frames[len(frames) // 2 :] if "northeurope" in frame)
        write("terminal-deploy.svg", recording(f"chainfleet {line}", middle))
        write("gantt.svg", gantt("chain-138", states, TIME_SCALE))
        photograph(home)


def write(name: str, text: str) -> None:
    """Write a picture."""
    (FOLDER / name).write_text(text, encoding="utf-8")
    print(f"{name}: {len(text) / 1000:.0f} kB")


def photograph(home: Path) -> None:
    """Pages of the portal on the environments of a folder."""
    token = output_of(
        [CHAINFLEET, "portal", "--home", str(home), "--new-token", "pictures", "--role", "admin"], ROOT
    )
    with portal([CHAINFLEET, "portal", "--home", str(home)], folder=ROOT) as base:
        _photograph(base, token.split()[-1], home)


def _photograph(base: str, token: str, home: Path) -> None:
    env = "ultra"
    run = sorted(path.name for path in (home / env / "runs").iterdir())[-1]
    pages = [(name, f"#/{page.format(env=env, run=run)}", scheme) for name, (page, scheme) in PAGES.items()]
    given = {"base": base, "token": token, "framework": "vue", "pages": pages, "shots": str(FOLDER)}
    node = ["node", "e2e/run.mjs", "pictures", json.dumps(given)]
    path = f"{os.environ['PATH']}:{ROOT / '.venv' / 'bin'}"
    subprocess.run(node, cwd=ROOT / "portal", check=True, timeout=120, env={**os.environ, "PATH": path})


if __name__ == "__main__":
    main(sys.argv[1:])

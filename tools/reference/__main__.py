"""Writes docs/reference from the code: `python tools/reference [FOLDER]`; with `--check` it only says which pages differ.

What a page lacks is added where the thing is defined (a docstring, a field's description, an option's help).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from api_page import api_page, problem_page
from command_page import command_page, exit_code_page
from error_page import environment_page, error_page
from event_page import event_page
from fleet_page import fleet_page
from metrics_page import metric_page

FOLDER = Path(__file__).parents[2] / "docs" / "reference"

PAGES: Mapping[str, Callable[[], str]] = {
    "api.md": api_page,
    "commands.md": command_page,
    "environment.md": environment_page,
    "errors.md": error_page,
    "events.md": event_page,
    "exit-codes.md": exit_code_page,
    "fleet-file.md": fleet_page,
    "metrics.md": metric_page,
    "problems.md": problem_page,
}


def main(arguments: list[str]) -> int:
    """Write the pages, or compare them; returns the exit code."""
    folder = next((Path(word) for word in arguments if not word.startswith("--")), FOLDER)
    made = {folder / name: make() for name, make in PAGES.items()}
    differing = [path for path, text in made.items() if not path.is_file() or path.read_text("utf-8") != text]
    if "--check" in arguments:
        for path in differing:
            print(f"{path.name} is not what the code says: run python tools/reference")
        return 1 if differing else 0
    for path in differing:
        path.write_text(made[path], encoding="utf-8")
        print(f"wrote {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

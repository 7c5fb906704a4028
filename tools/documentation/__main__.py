"""Run the pages' blocks by hand: `python tools/documentation [--update] [SESSION…]`.

Without `--update` it says what differs; with it, pages are made to show what the commands print now.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).parents[1]))

from documentation.comparing import abridged
from documentation.pages import ROOT, Page, all_pages, sessions
from documentation.running import Result, run_session


def main(arguments: Sequence[str]) -> int:
    """Run the sessions that are named, or all of them; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--update", action="store_true", help="write what the commands print into the pages")
    parser.add_argument("--list", action="store_true", help="print the sessions' names and stop")
    parser.add_argument("session", nargs="*", help="all of them by default")
    options = parser.parse_args(arguments)
    known = sessions(all_pages())
    for name in options.session:
        if name not in known:
            parser.error(f"no session {name}; there are {', '.join(known)}")
    if options.list:
        sys.stdout.write("".join(f"{name}\n" for name in known))
        return 0
    wrong = 0
    for name in options.session or known:
        wrong += _one(name, known[name], update=options.update)
    return 1 if wrong else 0


def _one(name: str, pages: Sequence[Page], *, update: bool) -> int:
    with tempfile.TemporaryDirectory(prefix="chainfleet-pages-") as folder:
        results = list(run_session(pages, Path(folder)))
    wrong = [result for result in results if result.problem]
    for result in wrong:
        sys.stdout.write(f"{result.problem}\n\n")
    sys.stdout.write(f"{name}: {len(results)} commands, {len(wrong)} differ\n")
    if update:
        for page in pages:
            _update(page, [result for result in wrong if result.block.page == page.name and result.printed])
    return len(wrong)


def _update(page: Page, results: Sequence[Result]) -> None:
    """Put what was printed where the page shows something else; from the end, so that places keep their lines."""
    if not results:
        return
    lines = page.path.read_text(encoding="utf-8").splitlines()
    for result in reversed(results):
        step, margin = result.step, " " * result.block.indent
        lines[step.first : step.first + len(step.shown)] = [
            f"{margin}{line}".rstrip() for line in abridged(result.printed)
        ]
    page.path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    sys.stdout.write(f"{page.path.relative_to(ROOT)}: {len(results)} outputs updated\n")


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

"""What runs the pages' blocks notices what has drifted, and leaves nothing behind."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import pytest
from blocks import APART, SESSIONS
from documentation.comparing import abridged, difference, settled
from documentation.pages import Page, all_pages, read_page, sessions
from documentation.running import run_session

ROOT = Path(__file__).parents[2]
FENCE = "```"


def page(tmp_path: Path, text: str) -> list[str]:
    """Run a page; its problems."""
    file = tmp_path / "page.md"
    file.write_text(text.replace("~~~", FENCE), encoding="utf-8")
    folder = tmp_path / "folder"
    folder.mkdir(exist_ok=True)
    return [result.problem for result in run_session([read_page(file)], folder) if result.problem]


GOOD = """
~~~console
$ chainfleet besu quorum 48
quorum: 32
byzantine: 15
crash: 16
votes: 25
~~~
"""


def test_a_page_that_shows_what_is_printed_passes(tmp_path: Path) -> None:
    assert page(tmp_path, GOOD) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("quorum: 32", "quorum: 33"),
        ("votes: 25\n", ""),
        ("votes: 25\n", "votes: 25\nfaults: 1\n"),
        ("quorum 48", "quorum 49"),
        ("besu quorum", "besu quota"),
    ],
)
def test_a_page_that_has_drifted_fails(tmp_path: Path, old: str, new: str) -> None:
    found = page(tmp_path, GOOD.replace(old, new))
    assert len(found) == 1
    assert "page.md:2" in found[0]


def test_variables_folders_and_files_last_as_long_as_the_page(tmp_path: Path) -> None:
    text = (
        '~~~yaml title="below/notes.txt"\nhello\n~~~\n'
        "~~~console\n$ export WHO=world; cd below\n~~~\n"
        "~~~console\n$ cat notes.txt && \\\n  echo $WHO\nhello\nworld\n~~~\n"
    )
    assert page(tmp_path, text) == []


def test_an_exit_code_is_expected_where_the_page_says_so_only(tmp_path: Path) -> None:
    failing = "~~~console\n$ chainfleet besu quorum none\n…\n~~~\n"
    assert page(tmp_path, f"<!-- run: exit=2 -->\n{failing}") == []
    assert "exit code 2, not 0" in page(tmp_path, failing)[0]


def test_a_terminal_goes_on_beside_the_others_and_ends_with_the_page(tmp_path: Path) -> None:
    text = (
        '<!-- run: terminal=one until="ready" -->\n'
        "~~~console\n$ sh -c 'echo ready; until [ -e go ]; do sleep 0.05; done; echo done; sleep 0.1'\nready\n~~~\n"
        "~~~console\n$ touch go\n~~~\n"
        "<!-- run: terminal=one -->\n~~~console\ndone\n~~~\n"
        "<!-- run: terminal=two until=up -->\n~~~console\n$ sh -c 'echo up; sleep 987.125'\nup\n~~~\n"
    )
    begin = time.monotonic()
    assert page(tmp_path, text) == []
    assert time.monotonic() - begin < 900
    deadline = time.monotonic() + 60
    while "sleep 987.125" in (listed := _processes()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "sleep 987.125" not in listed


def _processes() -> str:
    return subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout


def test_a_block_that_is_not_run_says_why_to_the_reader(tmp_path: Path) -> None:
    assert page(tmp_path, "*Not run: it needs another machine.*\n\n~~~console\n$ false\n~~~\n") == []


def test_volatile_parts_and_elisions_match_and_nothing_else_does() -> None:
    shown = [
        "20261125-183853-deploy: chain-138, 204 tasks",
        "…",
        "  report  …/report.html",
        "17.7 s, 1.04 × it",
    ]
    printed = [
        "20270101-000000-deploy: chain-138, 204 tasks",
        "a",
        "b",
        "  report  x/report.html",
        "3 s, 2.00 × it",
    ]
    assert difference(shown, printed) == ""
    assert "-⟨deploy⟩: chain-138, 204 tasks" in difference(
        shown, [printed[0].replace("204", "205"), *printed[1:]]
    )
    assert difference(["all well", "…"], ["not all well"])
    assert settled("block 24, 48 of 48 ready") == "block ⟨n⟩, 48 of 48 ready"


def test_progress_is_left_out_of_what_is_written_into_a_page() -> None:
    lines = ["start", "    0.0s  infra", "    2.0s  infra", "    4.0s  infra", "end" + "." * 200]
    assert abridged(lines)[:4] == ["start", "    0.0s  infra", "    …", "    4.0s  infra"]
    assert len(abridged(lines)[-1]) == 150


COMMANDS = re.compile(r"^ *\$ ", re.MULTILINE)
FENCED = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("read", all_pages(), ids=lambda read: read.name)
def test_no_command_hides_from_being_run(read: Page) -> None:
    """Commands stand in console blocks, and one that is not run has a reason that is a sentence."""
    for language, body in FENCED.findall(read.path.read_text(encoding="utf-8")):
        assert language == "console" or not COMMANDS.search(body), body
    assert all(len(block.not_run) > 15 for block in read.blocks if block.not_run)


def test_every_session_is_run_by_one_test_file() -> None:
    assert set(SESSIONS) >= APART
    assert {page.name for page in all_pages() if page.is_run} <= {
        page.name for pages in sessions(all_pages()).values() for page in pages
    }

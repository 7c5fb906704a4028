"""The command line's own words: commands to copy, helps that show what is typed, every terminal and shell."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from chainfleet.cli.main import app
from chainfleet.cli.words import WITHOUT_STATE
from chainfleet.model.task import Phase

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "chainfleet"
EXAMPLE = ROOT / "examples" / "chain-138.yaml"


def run(*arguments: str, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AZURE_", "ARM_", "CHAINFLEET_"))}
    command = [sys.executable, "-m", "chainfleet.cli.main", *arguments]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        cwd=cwd,
        env={**clean, **environ},
        timeout=120,
    )


def commands(name: str = "", command: Any = None) -> Iterator[tuple[str, Any]]:
    command = command or typer.main.get_command(app)
    if not hasattr(command, "commands"):
        yield name, command
        return
    for word, inner in command.commands.items():
        yield from commands(f"{name} {word}".strip(), inner)


def takes(command: Any, what: str) -> bool:
    return any(param.metavar == what or what in param.opts for param in command.params)


def texts() -> Iterator[tuple[str, str]]:
    """Every text of the source that a person may read while something runs, with its file; no docstrings, no examples."""
    for file in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)} | {
            id(k.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            for k in node.keywords
            if k.arg in ("epilog", "help", "description")
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
                yield file.name, node.value


def test_a_command_that_a_text_names_is_one_that_there_is_and_says_which_fleet() -> None:
    fleets = {name for name, command in commands() if takes(command, "FLEET")}
    named = [
        (file, words.strip(), following)
        for file, text in texts()
        for words, following in re.findall(r"`chainfleet ((?:[a-z][a-z-]*[ `])+)(FLEET|--help)?", text)
    ]
    assert len(named) > 20
    for file, words, following in named:
        name = words.rstrip("`")
        if name in fleets:
            assert following, f"{file}: `chainfleet {name}` names no FLEET"
        else:
            assert following != "FLEET", f"{file}: there is no `chainfleet {name} FLEET`"


def test_a_command_to_copy_is_given_the_state_folder_where_it_takes_one() -> None:
    without = {name for name, c in commands() if takes(c, "FLEET") and not takes(c, "--state")}
    assert without == WITHOUT_STATE


def test_a_way_out_can_be_copied_as_it_stands(tmp_path: Path) -> None:
    folder = tmp_path / "my fleets"
    folder.mkdir()
    (folder / "f.yaml").write_text(run("init", "--name", "mine", "--regions", "4").stdout)
    assert "way out: `chainfleet deploy f.yaml`\n" in run("status", "f.yaml", cwd=folder).stderr
    said = run("status", "my fleets/f.yaml", "--state", "the state", cwd=tmp_path).stderr
    assert "way out: `chainfleet deploy 'my fleets/f.yaml' --state 'the state'`\n" in said


def test_usage_shows_what_is_typed() -> None:
    for name, command in commands():
        usage = command.get_usage(command.make_context(name, [], resilient_parsing=True))
        assert not re.search(r"[{<]|\[\[", usage), usage
    assert "status [OPTIONS] FLEET\n" in run("status", "--help").stdout
    assert run("replay").stderr.startswith(
        "Usage: python -m chainfleet.cli.main replay [OPTIONS] FLEET [RUN]\n"
    )
    assert re.search(r"^  FLEET +The fleet file", run("status", "--help").stdout, re.MULTILINE)


@pytest.mark.parametrize("family", ["besu", "oracle"])
def test_no_description_of_a_family_is_cut_off_in_its_list(family: str) -> None:
    listed = run(family, "--help").stdout.partition("Commands:")[2]
    assert listed
    assert "..." not in listed


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("besu re", {"restart", "retire-key"}),
        ("oracle ", {"relay", "grant"}),
        ("deploy f.yaml --mode ", {"sequential", "standard", "max", "ultra"}),
    ],
)
def test_the_shell_completes_what_families_and_options_take(typed: str, offered: set[str]) -> None:
    words = f"chainfleet {typed}"
    asked = {
        "_CHAINFLEET_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    command = Path(sys.executable).with_name("chainfleet")
    done = subprocess.run(
        [command], capture_output=True, text=True, check=False, env={**os.environ, **asked}, timeout=60
    )
    assert set(done.stdout.split()) == offered


def test_completion_that_was_installed_completes(tmp_path: Path) -> None:
    command = Path(sys.executable).with_name("chainfleet")
    known = {**os.environ, "HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    subprocess.run([command, "--install-completion", "bash"], env=known, check=True, timeout=60)
    script = """
        source "$HOME/.bashrc"
        COMP_WORDS=(chainfleet st); COMP_CWORD=1
        _chainfleet_completion "$0"; echo "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script, command],
        capture_output=True,
        text=True,
        check=True,
        env=known,
        timeout=60,
    )
    assert done.stdout == "status\n"


def test_letters_that_a_terminal_lacks_are_written_with_those_it_has() -> None:
    for encoding in ("latin-1", "cp437"):
        done = run("retry", "--help", PYTHONIOENCODING=encoding)
        assert done.returncode == 0, done.stderr
        assert "FLEET [WHAT.]" in done.stdout


def test_faults_of_a_region_that_the_fleet_lacks_are_refused_before_anything_begins(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(run("init", "--name", "mine", "--regions", "4").stdout)
    (tmp_path / "faults.yaml").write_text("- kind: capacity\n  count: 1\n  region: northeurop\n")
    asked = ("deploy", "f.yaml", "--emulated", "--faults", "faults.yaml")
    done = run(*asked, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "error: faults.yaml:3:11: the fleet has no region `northeurop`\n  way out: did you mean `northeurope`?\n"
    )
    assert not (tmp_path / ".chainfleet").exists()


def test_faults_of_a_real_cloud_can_not_be_asked_for(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(run("init", "--name", "mine", "--regions", "4").stdout)
    ids = {"AZURE_SUBSCRIPTION_ID": "0" * 8, "AZURE_TENANT_ID": "0" * 8}
    done = run("deploy", "f.yaml", "--yes", "--faults", "storm", cwd=tmp_path, **ids)
    assert done.returncode == 2
    assert "--faults storm: a real cloud has faults of its own\n  way out: add --emulated" in done.stderr


@pytest.mark.parametrize(("columns", "fits"), [("60", True), ("120", False)])
def test_status_has_short_heads_where_the_long_ones_do_not_fit(columns: str, fits: bool) -> None:
    phases = [phase.value for phase in Phase if phase is not Phase.CONTRACTS]
    rows = {"germanywestcentral": dict.fromkeys(phases, "succeeded")}
    script = f"from chainfleet.cli.status import _matrix\nprint(*_matrix({rows!r}), sep='\\n')"
    leader, terminal = os.openpty()
    known = {**os.environ, "COLUMNS": columns}
    subprocess.run([sys.executable, "-c", script], stdout=terminal, check=True, env=known, timeout=60)
    os.close(terminal)
    head, row = os.read(leader, 65536).decode().splitlines()
    os.close(leader)
    assert ("infra  k8s" in head) == fits
    assert ("infrastructure" in head) != fits
    assert row.count("✔") == len(phases)
    assert len(head) <= int(columns)

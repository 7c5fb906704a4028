"""What is committed is what the sources compile to, and every error and event of it is asserted somewhere."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from chainfleet.drivers.contracts.artefacts import load, standard_json

CONTRACTS = Path(__file__).parents[1]
NAMES = ("Aggregator", "OracleWithCCIP")
# OpenZeppelin's and Chainlink's own, tested where they come from.
INHERITED = re.compile(r"^(AccessControl|SafeCast|SafeERC20|Role|DefaultAdmin)")


@pytest.mark.parametrize("name", NAMES)
def test_the_hash_is_that_of_the_input(name):
    assert load(name).source_hash == hashlib.sha256(standard_json(name).encode()).hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_the_input_holds_the_sources_as_they_are(name):
    sources = json.loads(standard_json(name))["sources"]
    assert load(name).source in sources
    for unit, source in sources.items():
        path = CONTRACTS / unit
        if not path.exists():
            path = CONTRACTS / "node_modules" / unit
        if unit.startswith("src/") or path.exists():
            assert path.read_text() == source["content"], f"{unit} changed; run: npm run compile"


@pytest.mark.parametrize("name", NAMES)
def test_only_free_sources_of_pinned_versions_are_compiled_in(name):
    sources = json.loads(standard_json(name))["sources"]
    licences = {source["content"].split("\n", 1)[0] for source in sources.values()}
    assert licences <= {"// SPDX-License-Identifier: MIT", "// SPDX-License-Identifier: Apache-2.0"}


@pytest.mark.parametrize("name", NAMES)
def test_the_bytecode_runs_on_forks_from_london_on(name):
    artefact = load(name)
    assert json.loads(standard_json(name))["settings"]["evmVersion"] == "paris"
    assert not {0x5F, 0x5C, 0x5D, 0x5E} & opcodes(artefact.runtime)  # PUSH0, TLOAD, TSTORE, MCOPY


def opcodes(code):
    """Opcodes of the code; what follows the first INVALID are constants."""
    found, position = set(), 0
    while position < len(code) and (opcode := code[position]) != 0xFE:
        found.add(opcode)
        position += 1 + (opcode - 0x5F if 0x60 <= opcode <= 0x7F else 0)
    return found


def test_the_lock_names_no_address_to_download_from():
    lock = (CONTRACTS / "package-lock.json").read_text()
    assert '"resolved"' not in lock
    packages = json.loads(lock)["packages"]
    assert all("integrity" in package for path, package in packages.items() if path)
    assert json.loads((CONTRACTS / "package.json").read_text())["dependencies"]["solc"] == "0.8.37"


@pytest.mark.parametrize("name", NAMES)
def test_every_error_and_event_is_asserted(name):
    tests = "\n".join(path.read_text() for path in (CONTRACTS / "test").glob("*.sol"))
    for entry in load(name).abi:
        if entry["type"] not in ("error", "event") or INHERITED.match(entry["name"]):
            continue
        pattern = (
            rf"{entry['name']}\.selector" if entry["type"] == "error" else rf"emit (\w+\.)?{entry['name']}\("
        )
        assert re.search(pattern, tests), f"no test asserts {entry['type']} {entry['name']}"


@pytest.mark.slow
def test_compiling_again_gives_the_same():
    node = shutil.which("node")
    if node is None or not (CONTRACTS / "node_modules/solc").is_dir():
        pytest.skip("node and solc aren't installed: npm ci --ignore-scripts in contracts/")
    done = subprocess.run(
        [node, "scripts/compile.mjs", "--check"], cwd=CONTRACTS, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr

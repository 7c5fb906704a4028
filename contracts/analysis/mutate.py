"""Mutation of the contracts: plants one bug at a time and runs the forge tests.

A mutant that times out or doesn't compile is reported as such and never counted as caught. Works in a copy, so that
the sources are never touched. Results go to build/analysis/mutation.json, and a run goes on where the last one ended.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FORGE = ROOT / "node_modules/@foundry-rs/forge-linux-amd64/bin/forge"
SOURCES = ("src/Aggregator.sol", "src/OracleWithCCIP.sol", "src/Median.sol")
RESULTS = ROOT / "build/analysis/mutation.json"
SWAPS = (
    (" == ", " != "), (" != ", " == "), (" < ", " <= "), (" <= ", " < "), (" > ", " >= "), (" >= ", " > "),
    (" && ", " || "), (" || ", " && "), (" + ", " - "), (" - ", " + "), (" * ", " / "), (" / ", " * "),
    ("return false", "return true"), ("return true", "return false"), ("++", "--"), (" ? ", " != false ? !true : "),
)  # fmt: skip
SKIP = re.compile(
    r"^\s*(///|//|\*|import|\}? ?from|event|error|using|pragma|contract|library|struct|enum|constructor)"
)
STATEMENT = re.compile(r"^\s+(?!return\b|revert\b|require\b|emit\b)[\w.\[\](), ]+(\(.*\)| [-+]?= .*);$")
DECLARATION = re.compile(
    r"^\s+(\w+\s+)?(memory|storage|calldata|u?int\d*|bool|address|bytes\d*|string|[A-Z]\w+(\.\w+)?)\s+\w+"
)


@dataclass(frozen=True)
class Mutant:
    file: str
    line: int
    before: str
    after: str

    @property
    def name(self) -> str:
        return f"{self.file}:{self.line}: {self.before.strip()}  =>  {self.after.strip()}"


def mutants() -> Iterator[Mutant]:
    for file in SOURCES:
        for number, line in enumerate((ROOT / file).read_text().splitlines(), 1):
            code = line.split("//")[0]
            if SKIP.match(code) or not code.strip():
                continue
            for old, new in SWAPS:
                for place in re.finditer(re.escape(old), code):
                    yield Mutant(file, number, line, code[: place.start()] + new + code[place.end() :])
            condition = re.match(r"^(\s*(?:\} else )?if )\((.*)\)( .*)$", code)
            if condition:
                head, test, tail = condition.groups()
                yield Mutant(file, number, line, f"{head}(false && ({test})){tail}")
            if re.match(r"^\s+(revert|emit) .*;$", code) or (
                STATEMENT.match(code) and not DECLARATION.match(code)
            ):
                yield Mutant(file, number, line, re.match(r"^\s*", code).group(0) + "{}")


def _tests(prefix: str) -> tuple[str, ...]:
    return tuple(sorted(f"test/{path.name}" for path in (ROOT / "test").glob(f"{prefix}*.t.sol")))


STAGES = {
    # Most mutants are caught by the tests of their own contract, which compile in a fraction of the time; only
    # what survives these meets all tests.
    "src/OracleWithCCIP.sol": ("src", *_tests("Oracle"), "test/Lane.sol", "test/Feed.sol", "test/Support.sol",
                               "test/mocks/StubRouter.sol"),
    "src/Aggregator.sol": ("src/Aggregator.sol", "src/IAggregator.sol", "src/Median.sol", *_tests("Aggregator"),
                           "test/Feed.sol", "test/Support.sol"),
}  # fmt: skip
STAGES["src/Median.sol"] = STAGES["src/Aggregator.sol"]
ALL = ("src", "test")


class Bench:
    """Copies of the sources in which mutants are tried."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._copies: dict[tuple[str, ...], Path] = {}

    def copy(self, paths: tuple[str, ...]) -> Path:
        if paths not in self._copies:
            copy = self._folder / str(len(self._copies))
            for name in (*paths, "scripts", "foundry.toml", "package.json"):
                source, target = ROOT / name, copy / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copytree(source, target) if source.is_dir() else shutil.copy(source, target)
            (copy / "node_modules").symlink_to(ROOT / "node_modules")
            if run_tests(copy, 1800) != "survived":
                sys.exit(f"the tests fail without a mutant: {paths}")
            self._copies[paths] = copy
        return self._copies[paths]

    def judge(self, mutant: Mutant, timeout_s: float) -> str:
        verdict = self._try(self.copy(STAGES[mutant.file]), mutant, timeout_s)
        return self._try(self.copy(ALL), mutant, timeout_s) if verdict == "survived" else verdict

    def _try(self, copy: Path, mutant: Mutant, timeout_s: float) -> str:
        path = copy / mutant.file
        original = path.read_text()
        lines = original.splitlines()
        lines[mutant.line - 1] = mutant.after
        path.write_text("\n".join(lines) + "\n")
        try:
            return run_tests(copy, timeout_s)
        finally:
            path.write_text(original)


def run_tests(copy: Path, timeout_s: float) -> str:
    """`caught`, `survived`, `timeout` or `invalid` (doesn't compile)."""
    environ = {**os.environ, "FOUNDRY_FUZZ_RUNS": "64", "FOUNDRY_INVARIANT_RUNS": "8"}
    process = subprocess.Popen(
        [FORGE, "test", "--fail-fast"], cwd=copy, env=environ, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        output, _ = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return "timeout"
    if "Compiler run failed" in output:
        return "invalid"
    return "survived" if process.returncode == 0 else "caught"


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument(
        "number", nargs="?", type=int, help="how many mutants, chosen at random; all by default"
    )
    options.add_argument("--seed", type=int, default=138)
    options.add_argument(
        "--timeout", type=float, default=600.0, help="seconds for one mutant, compiling included"
    )
    given = options.parse_args()
    chosen = list(mutants())
    random.Random(given.seed).shuffle(chosen)
    chosen = chosen[: given.number]
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with tempfile.TemporaryDirectory(dir=ROOT / "build") as folder:
        bench = Bench(Path(folder))
        for count, mutant in enumerate(chosen, 1):
            if mutant.name not in known:
                known[mutant.name] = bench.judge(mutant, given.timeout)
                RESULTS.write_text(json.dumps(known, indent=1))
            print(f"{count}/{len(chosen)} {known[mutant.name]:9} {mutant.name}", flush=True)
    totals = Counter(known[mutant.name] for mutant in chosen)
    judged = totals["caught"] + totals["survived"] + totals["timeout"]
    share = 100 * totals["caught"] / max(1, judged)
    print(
        f"caught {totals['caught']} of {judged} ({share:.1f} %); survived {totals['survived']}, "
        f"timed out {totals['timeout']} (not counted as caught), not compilable {totals['invalid']}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

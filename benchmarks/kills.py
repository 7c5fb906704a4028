"""Kill -9 of the real process at random moments of the 24-region deployment on the emulated cloud.

    .venv/bin/python benchmarks/kills.py [--kills 100] [--per-run 10] [--seed N]

After each kill the run is resumed; in the end what is there must equal what an undisturbed run leaves behind (ARM
resources, validators, contracts, transactions of the deployer), and by the ledger no task may have been begun again
after it had succeeded. Exit code 1 if any of that fails.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_account import Account

from chainfleet.emulator.client import Running, start
from chainfleet.ledger.codec import decode
from chainfleet.ledger.store import Ledger
from chainfleet.model.errors import InputError
from chainfleet.model.event import StartAttempt, StateChanged, TaskState
from chainfleet.runtime.operations import read_run
from chainfleet.runtime.state import StateFolder

ROOT = Path(__file__).parents[1]
FLEET = ROOT / "examples" / "chain-138.yaml"
SCALE = "60"
LONGEST_GAP_S = 6.0


@dataclass
class Counts:
    """What the kills came to."""

    kills: int = 0
    before_anything: int = 0
    resumed: int = 0
    repeated: list[str] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    moments: list[int] = field(default_factory=list)


def command(*words: str, target: list[str]) -> list[str]:
    return [sys.executable, "-m", "chainfleet.cli.main", words[0], str(FLEET), *words[1:], *target]


def end_state(cloud: Running, result: dict[str, Any]) -> dict[str, Any]:
    """What is there, without what differs between any two clouds."""
    subscription = cloud.environment["ARM_SUBSCRIPTION_ID"]
    resources = cloud.control("/resources")["resources"]
    deployer = Account.from_key(cloud.environment["CHAINFLEET_DEPLOYER_KEY"]).address
    return {
        "verdict": result["verdict"],
        "resources": sorted(nameless(r["id"].replace(subscription, "S")) for r in resources),
        "validators ready": result["network"]["ready"],
        "peers": (result["network"]["peers_min"], result["network"]["peers_max"]),
        "contracts": {name: facts["code_equal"] for name, facts in result["contracts"].items()},
        "rounds equal": result["round_equal"],
        "transactions on mainnet": nonce(cloud.environment["MAINNET_RPC_URL"], deployer),
    }


def nameless(resource: str) -> str:
    """An id without the names that are made from the subscription's."""
    return re.sub(r"(roleAssignments|vaults)/[^/]+", r"\1/*", resource)


def nonce(url: str, address: str) -> int:
    body = {"jsonrpc": "2.0", "id": 1, "method": "eth_getTransactionCount", "params": [address, "latest"]}
    request = urllib.request.Request(
        url, json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return int(json.loads(answer.read())["result"], 16)


def begun_again(state: Path) -> list[str]:
    """Tasks that were begun after the ledger had them succeeded."""
    ledger = Ledger(StateFolder(state).ledger, "chain-138")
    try:
        found, done = [], set()
        for run in ledger.runs():
            for record in ledger.records(run):
                if record.kind != "record":
                    continue
                thing = decode(record.body)
                if isinstance(thing, StateChanged) and thing.state is TaskState.SUCCEEDED:
                    done.add(thing.task)
                elif isinstance(thing, StartAttempt) and thing.task in done:
                    found.append(thing.task)
        return found
    finally:
        ledger.close()


def succeeded(state: Path) -> int:
    if not StateFolder(state).ledger.exists():
        return 0
    ledger = Ledger(StateFolder(state).ledger, "chain-138")
    try:
        text = '"state":"succeeded"'
        return sum(text in r.body for run in ledger.runs() for r in ledger.records(run))
    finally:
        ledger.close()


def has_run(state: Path) -> bool:
    """Whether the ledger knows of the run: a kill may come before its plan was recorded."""
    try:
        return read_run(StateFolder(state), "chain-138").plan is not None
    except InputError:
        return False


def disturbed(folder: Path, kills: int, chance: random.Random, counts: Counts) -> dict[str, Any]:
    """Deploy, killed that often; returns the end state."""
    state = folder / "state"
    with start(folder / "cloud", time_scale=float(SCALE)) as cloud:
        env_file = folder / "environment.json"
        env_file.write_text(json.dumps(dict(cloud.environment)))
        target = ["--state", str(state), "--env-file", str(env_file)]
        first = command("deploy", "--yes", "--time-scale", SCALE, "--plain", target=target)
        words = first
        for _ in range(kills):
            process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(chance.uniform(0.1, LONGEST_GAP_S))
            if process.poll() is not None:
                break
            process.send_signal(signal.SIGKILL)
            process.wait()
            counts.kills += 1
            counts.moments.append(succeeded(state))
            known = has_run(state)
            counts.before_anything += not known
            words = command("resume", "--plain", target=target) if known else first
        last = [word for word in words if word != "--plain"]
        done = subprocess.run([*last, "--json"], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            counts.different.append(
                f"exit code {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
            )
            return {}
        counts.resumed += 1
        counts.repeated += begun_again(state)
        return end_state(cloud, json.loads(done.stdout))


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--per-run", type=int, default=10)
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    options = parser.parse_args()
    chance, counts = random.Random(options.seed), Counts()
    with tempfile.TemporaryDirectory() as folder:
        expected = disturbed(Path(folder) / "undisturbed", 0, chance, Counts())
        runs = 0
        while counts.kills < options.kills and not counts.different:
            runs += 1
            left = min(options.per_run, options.kills - counts.kills)
            ended = disturbed(Path(folder) / str(runs), left, chance, counts)
            counts.different += [
                f"{key}: {str(ended.get(key))[:300]} instead of {str(value)[:300]}"
                for key, value in expected.items()
                if ended.get(key) != value
            ]
            print(f"run {runs}: {counts.kills} kills so far", file=sys.stderr, flush=True)
    print(f"seed {options.seed}: {counts.kills} kills -9 in {runs} deployments of 204 tasks")
    print(f"tasks that had succeeded when killed: {sorted(counts.moments)}")
    print(f"resumed to the end: {counts.resumed} of {runs}")
    print(f"finished tasks begun again: {len(counts.repeated)} {counts.repeated[:5]}")
    print(f"end states that differ from an undisturbed run: {len(counts.different)}")
    for line in counts.different:
        print(f"  {line}")
    return 1 if counts.repeated or counts.different else 0


if __name__ == "__main__":
    raise SystemExit(main())

"""Two runs of one subscription at once on the emulated cloud: calls refused and time, with a shared budget and with one each.

Usage: python benchmarks/distributed/budgets.py. The ideal time is what the documented bucket allows one careful client.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2] / "tests" / "distributed")]

from test_budgets import SCALE, CallingDriver, run_both

from chainfleet.emulator.client import start
from chainfleet.model.fleet_file import load_fleet
from chainfleet.runtime import operations, sharing
from chainfleet.runtime.registry import Drivers
from chainfleet.runtime.state import StateFolder

EXAMPLE = Path(__file__).parents[2] / "examples" / "chain-138.yaml"
TASKS, CALLS = 60, 15


def run(what: str) -> None:
    fleet = operations.scaled(load_fleet(str(EXAMPLE), lambda _: EXAMPLE.read_text(), {}).fleet, SCALE)
    with tempfile.TemporaryDirectory() as folder, start(Path(folder) / "cloud", SCALE, parts="arm") as cloud:
        driver = CallingDriver(cloud.environment)

        async def of(_: Drivers, __: object) -> CallingDriver:
            return driver

        Drivers.of = of
        began = time.monotonic()
        run_both(
            cloud, [StateFolder(Path(folder) / "s" / name) for name in ("one", "two")], fleet, TASKS, CALLS
        )
        took = time.monotonic() - began
        answers = cloud.control("/stats")["requests"]["by_status"]
        driver.close()
    calls = 2 * TASKS * CALLS
    ideal = (calls - 250) / (25 * SCALE)
    refused = answers.get("429", 0)
    print(
        f"{what}: {refused} of {calls} calls answered 429, {took:.1f} s = {took / ideal:.2f} × the ideal time",
        flush=True,
    )


def main() -> None:
    print(f"load {os.getloadavg()[0]:.1f}")
    run("shared")
    sharing.shared_limits = lambda *_: {}
    run("one each")


if __name__ == "__main__":
    main()

"""The real commands: two workers, a coordinator that is killed, a standby that takes over on the emulated cloud."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from chainfleet.ledger.database import Postgres
from chainfleet.ledger.outside import Outside
from chainfleet.ledger.replay import replay
from chainfleet.model.errors import LedgerError
from chainfleet.runtime.distributed.tables import open_tables

EXAMPLE = Path(__file__).parents[2] / "examples" / "chain-138.yaml"
COMMAND = [sys.executable, "-m", "chainfleet.cli.main"]


def started(place: Postgres) -> int:
    try:
        outside = Outside(place)
    except LedgerError:
        return 0
    head = outside.head()
    outside.close()
    return head


def test_a_standby_goes_on_where_the_killed_coordinator_was(own_postgresql: Any, tmp_path: Path) -> None:
    url, state = own_postgresql.url, tmp_path / "home" / "fleet"
    log = (tmp_path / "log").open("w")
    common = ["--state", str(state), "--plain"]
    worker = [*COMMAND, "worker", "--pool", "default", "--ledger", url, "--home", str(state.parent)]
    processes = [subprocess.Popen(worker, stderr=log, stdout=log) for _ in range(2)]
    try:
        how = ["--ledger", url, "--pool", "default", "--emulated", "--yes"]
        deploy = subprocess.Popen([*COMMAND, "deploy", str(EXAMPLE), *how, *common], stdout=log, stderr=log)
        processes.append(deploy)
        deadline = time.monotonic() + 300
        # So far that networks are being made, attempts are in flight.
        while started(Postgres(url, "fleet")) < 250:
            assert deploy.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
        standby = subprocess.Popen(
            [*COMMAND, "resume", str(EXAMPLE), "--standby", *common],
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        processes.append(standby)
        time.sleep(2)
        assert standby.poll() is None, "a standby waits while the coordinator lives"
        deploy.kill()
        output, _ = standby.communicate(timeout=180)
        assert standby.returncode == 0, (tmp_path / "log").read_text()[-3000:]
        assert "SUCCEEDED: chain-138, 24 of 24 regions" in output
        tables = open_tables(url)
        handed_out = tables.rows("SELECT count(*) FROM attempt WHERE fence > 1")[0][0]
        tables.close()
        assert handed_out > 50, "the standby was told nothing of pools, and remembered them"
        outside = Outside(Postgres(url, "fleet"))
        run = outside.runs()[-1]
        assert replay(outside.records(run=run)).processes == 2
        outside.close()
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
                process.wait(timeout=30)
        log.close()

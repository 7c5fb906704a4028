"""The portal's server under load: start, `--help`, a run of 100,000 events, 200 listeners at 1,000 events a second, stop.

Usage: .venv/bin/python benchmarks/portal/server.py [--seconds 20] [--listeners 200] [--json]

Listeners are a process of their own, so that only the server's own CPU is counted. Peers in the same run: one listener
alone, and a Python that imports nothing. On a busy machine the CPU seconds (`…_cpu_s`) tell more than the clock.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from chainfleet.ledger.codec import encode
from chainfleet.ledger.store import Entry, Ledger
from chainfleet.model.event import AttemptSucceeded, RunStarted, StartAttempt, StateChanged, TaskState
from chainfleet.model.fleet_file import load_fleet, new_fleet
from chainfleet.runtime.environments import note_revision
from chainfleet.scheduling.planning import make_plan

RUN = "20261125-100000-deploy"
CHAINFLEET = [sys.executable, "-m", "chainfleet.cli.main"]
GOALS = {
    "start_s": 0.6,
    "open_100k_s": 2.0,
    "stop_s": 3.0,
    "gaps": 0,
    "help_s": 0.15,
}


def fill(home: Path, events: int) -> None:
    """An environment whose one run has that many events."""
    text = new_fleet("bench", 1138, 24)
    loaded = load_fleet("fleet.yaml", lambda _: text, {})
    plan = make_plan(loaded.fleet, loaded.revision)
    path = home / "bench" / "ledger.db"
    ledger = Ledger(path, "bench")
    note_revision(ledger, text, loaded.revision, {"emulated": True}, by="bench")
    ledger.append(
        [Entry(RUN, 0.0, "record", "", encode(plan)), Entry(RUN, 0.0, "record", "", encode(RunStarted()))]
    )
    ids = [task.id for task in plan.tasks]
    entries = []
    for index in range(events // 4):
        task, attempt = ids[index % len(ids)], 1 + index // len(ids)
        things = (
            StateChanged(task, TaskState.RUNNING),
            StartAttempt(task, attempt, 120.0),
            AttemptSucceeded(task, attempt),
            StateChanged(task, TaskState.SUCCEEDED),
        )
        entries += [Entry(RUN, index / 10, "record", task, encode(thing)) for thing in things]
    ledger.append(entries).result()
    ledger.close()


@contextmanager
def portal(home: Path) -> Iterator[tuple[str, str, subprocess.Popen[str], float]]:
    """A portal: its address, a token, the process, seconds until the first 200."""
    began = time.perf_counter()
    command = [*CHAINFLEET, "portal", "--home", str(home), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = re.search(r"(http://\S+)/#t=(\S+)", process.stdout.readline())
        assert found is not None
        with urllib.request.urlopen(f"{found[1]}/livez") as response:
            assert response.status == 200
        start_s = time.perf_counter() - began
        body = json.dumps({"code": found[2]}).encode()
        request = urllib.request.Request(
            f"{found[1]}/api/v1/session", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request) as response:
            token = json.load(response)["token"]
        yield found[1], token, process, start_s
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


def get(url: str, token: str) -> tuple[float, Any]:
    """Seconds that a GET takes, and its answer."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    began = time.perf_counter()
    with urllib.request.urlopen(request) as response:
        answer = json.load(response)
    return time.perf_counter() - began, answer


def post(url: str, token: str, body: object) -> Any:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)) as response:
        return json.load(response)


LISTEN = """
import asyncio, json, sys, time
port, tokens, count, until, since = int(sys.argv[1]), sys.argv[2].split(","), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
async def listen(index):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**21)
    head = f"GET /api/v1/events?environment=bench&since={since} HTTP/1.1\\r\\nHost: 127.0.0.1:{port}\\r\\nAuthorization: Bearer {tokens[index % len(tokens)]}\\r\\n\\r\\n"
    writer.write(head.encode()); await writer.drain()
    last, gaps, lags, seen = int(since), 0, [], 0
    while last < until:
        line = await reader.readline()
        if not line: break
        if line.startswith(b"data: ["):
            # Only the edges of a batch are read: the listeners must not be what is measured.
            first = int(line[line.index(b'"seq":') + 6:].split(b",", 1)[0])
            gaps += first - last - 1
            lags.append(time.time() - float(line[line.rindex(b'"wall":') + 7:].split(b",", 1)[0]))
        elif line.startswith(b"id: "):
            new = int(line[4:]); seen += new - last; pending = new
        if line.startswith(b"data: ["):
            last = pending
    writer.close()
    return gaps, lags, seen
async def main():
    print("ready", flush=True)
    found = await asyncio.gather(*(listen(i) for i in range(count)))
    lags = sorted(lag for _, all_, _ in found for lag in all_)
    print(json.dumps({"gaps": sum(g for g, _, _ in found), "seen": sum(s for _, _, s in found),
        "lag_p50_ms": round(1000 * lags[len(lags) // 2], 1), "lag_p95_ms": round(1000 * lags[int(len(lags) * 0.95)], 1)}))
asyncio.run(main())
"""


def listen(
    address: str, tokens: list[str], home: Path, pid: int, *, listeners: int, seconds: float
) -> dict[str, Any]:
    """That many listeners at 1,000 events a second; the server's CPU beside what they saw."""
    ledger = Ledger(home / "bench" / "ledger.db", "bench")
    since = ledger.append([Entry(RUN, 1e6, "note", "bench", "{}")]).result()
    count = int(seconds * 1000)
    port = address.rsplit(":", 1)[1]
    command = [
        sys.executable,
        "-c",
        LISTEN,
        port,
        ",".join(tokens),
        str(listeners),
        str(since + count),
        str(since),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    time.sleep(1.0 + listeners / 200)
    server = psutil.Process(pid)
    before, began = server.cpu_times(), time.perf_counter()
    body = encode(StateChanged("besu/start/northeurope-0", TaskState.RUNNING))
    for index in range(count // 10):
        ledger.append([Entry(RUN, 1e6 + index / 100, "record", "besu/start/northeurope-0", body)] * 10)
        time.sleep(max(0.0, began + (index + 1) / 100 - time.perf_counter()))
    answer = json.loads(process.stdout.readline())
    took, after = time.perf_counter() - began, server.cpu_times()
    process.wait(30)
    ledger.close()
    cpu = after.user + after.system - before.user - before.system
    wanted = count * listeners
    return {**answer, "listeners": listeners, "expected": wanted, "cpu_percent": round(100 * cpu / took, 1)}


def help_s(environment: dict[str, str] | None = None) -> float:
    """Seconds of `chainfleet --help`, the best of 7."""
    runs = []
    for _ in range(7):
        began = time.perf_counter()
        subprocess.run([*CHAINFLEET, "--help"], capture_output=True, check=True, env=environment)
        runs.append(time.perf_counter() - began)
    return min(runs)


def bare_s() -> float:
    """Seconds of a Python that imports nothing, the best of 7: the peer of everything that starts one."""
    runs = []
    for _ in range(7):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        runs.append(time.perf_counter() - began)
    return min(runs)


def measure(seconds: float, listeners: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "load": os.getloadavg()[0],
        "bare_python_s": round(bare_s(), 3),
        "help_s": round(help_s(), 3),
    }
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        fill(home, 100_000)
        starts = []
        for _ in range(5):
            with portal(home) as (_, _, _, start_s):
                starts.append(start_s)
        found["start_s"] = round(min(starts), 3)
        found["start_median_s"] = round(statistics.median(starts), 3)
        with portal(home) as (address, token, process, _):
            one = f"{address}/api/v1/environments/bench/runs/{RUN}"
            server = psutil.Process(process.pid)
            found["start_cpu_s"] = sum(server.cpu_times()[:2])
            found["open_100k_s"], run = get(one, token)
            found["open_100k_cpu_s"] = sum(server.cpu_times()[:2]) - found["start_cpu_s"]
            found["open_100k_again_s"], _ = get(one, token)
            found["open_events"] = run["seq"]
            found["spans_s"], _ = get(f"{one}/spans", token)
            found["page_s"], _ = get(f"{one}/events?since={run['seq'] - 500}&limit=500", token)
            tokens = [
                post(f"{address}/api/v1/tokens", token, {"name": f"b{i}", "role": "viewer"})["secret"]
                for i in range(8)
            ]
            found["one"] = listen(address, tokens, home, process.pid, listeners=1, seconds=min(seconds, 8))
            found["many"] = listen(address, tokens, home, process.pid, listeners=listeners, seconds=seconds)
            stop = asyncio.run(_stop_with_streams(address, tokens[0], process))
            found["stop_s"] = round(stop, 2)
    return {k: round(v, 3) if isinstance(v, float) else v for k, v in found.items()}


async def _stop_with_streams(address: str, token: str, process: subprocess.Popen[str]) -> float:
    port = int(address.rsplit(":", 1)[1])
    readers = []
    for _ in range(3):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**21)
        lines = f"GET /api/v1/events?environment=bench HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
        writer.write(lines.encode())
        await reader.readuntil(b"event: hello")
        readers.append((reader, writer))
    began = time.perf_counter()
    process.send_signal(signal.SIGTERM)
    for reader, _ in readers:
        rest = await reader.read()
        assert b"server-stopping" in rest, rest[-300:]
    await asyncio.to_thread(process.wait, 20)
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--listeners", type=int, default=200)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = measure(given.seconds, given.listeners)
    if given.json:
        print(json.dumps(found, indent=1))
    else:
        for name, value in found.items():
            print(f"{name:<20} {value}")
    missed = [name for name, goal in GOALS.items() if name in found and found[name] > goal]
    missed += ["gaps"] if found["many"]["gaps"] or found["many"]["seen"] != found["many"]["expected"] else []
    print(f"missed: {', '.join(missed) or 'none'}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

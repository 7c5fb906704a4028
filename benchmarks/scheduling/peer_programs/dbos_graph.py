"""The graph on DBOS with SQLite in WAL, one workflow whose steps are durable; prints the seconds it took."""

import asyncio
import json
import os
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

from dbos import DBOS

graph = json.loads(Path(sys.argv[1]).read_text())


@DBOS.step()
async def work(seconds):
    if seconds:
        await asyncio.sleep(seconds)


@DBOS.workflow()
async def everything():
    done = {name: asyncio.Event() for name, _, _ in graph["tasks"]}
    slots = asyncio.Semaphore(graph["slots"])

    async def one(name, seconds, needs):
        for need in needs:
            await done[need].wait()
        async with slots:
            await work(seconds)
        done[name].set()

    await asyncio.gather(*(one(*each) for each in graph["tasks"]))


async def main(folder):
    path = Path(folder) / "dbos.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    DBOS(config={"name": "bench-graph", "system_database_url": f"sqlite:///{path}", "log_level": "CRITICAL"})
    DBOS.launch()
    began = time.perf_counter()
    await everything()
    print(json.dumps({"wall_s": time.perf_counter() - began}), flush=True)
    os._exit(0)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(main(folder))

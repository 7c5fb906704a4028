"""The graph on Prefect with its own server and threads; prints the seconds it took."""

import json
import logging
import sys
import time
from pathlib import Path

from prefect import flow, task
from prefect.task_runners import ThreadPoolTaskRunner

graph = json.loads(Path(sys.argv[1]).read_text())
logging.disable(logging.CRITICAL)


@task
def work(seconds):
    time.sleep(seconds)


@flow(task_runner=ThreadPoolTaskRunner(max_workers=graph["slots"]))
def everything():
    futures = {}
    began = time.perf_counter()
    for name, seconds, needs in graph["tasks"]:
        futures[name] = work.submit(seconds, wait_for=[futures[n] for n in needs])
    for future in futures.values():
        future.wait()
    return time.perf_counter() - began


if __name__ == "__main__":
    print(json.dumps({"wall_s": everything()}))

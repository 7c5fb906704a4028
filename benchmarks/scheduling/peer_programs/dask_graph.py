"""The graph on Dask, threads of one process; prints the seconds it took."""

import json
import sys
import time
from pathlib import Path

from dask.distributed import Client, LocalCluster

graph = json.loads(Path(sys.argv[1]).read_text())


def work(seconds, *_):
    time.sleep(seconds)


if __name__ == "__main__":
    with (
        LocalCluster(
            n_workers=1, threads_per_worker=graph["slots"], processes=False, dashboard_address=None
        ) as cluster,
        Client(cluster) as client,
    ):
        client.submit(work, 0, pure=False).result()
        began = time.perf_counter()
        futures = {}
        for name, seconds, needs in graph["tasks"]:
            before = [futures[n] for n in needs]
            futures[name] = client.submit(work, seconds, *before, key=name, pure=False)
        client.gather(list(futures.values()))
        print(json.dumps({"wall_s": time.perf_counter() - began}))

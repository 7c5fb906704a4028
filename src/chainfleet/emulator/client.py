"""Starting and stopping the emulated cloud from another process; standard library only."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from chainfleet.model.errors import ChainfleetError, EnvironmentProblem, InputError

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Running:
    """An emulated cloud that answers; use it as a context manager to stop it in the end.

    Attributes:
        environment: what its users need in their environment; holds credentials.
        control_url: the control API, e.g. `http://127.0.0.1:40001`.
        control_token: the control API's bearer token.
        pid: its process.
    """

    environment: Mapping[str, str]
    control_url: str
    control_token: str
    pid: int
    _process: subprocess.Popen[bytes] | None
    """None where another process started it."""

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Use it no longer. It ends if nobody else does: then this waits until it and its children are gone.

        It keeps its state.
        """
        try:
            stopping = bool(self.control(f"/owners/{os.getpid()}", "DELETE")["stopping"])
        except (OSError, ValueError):
            stopping = True
        if self._process is None:
            return
        if stopping:
            _end(self._process)
        else:
            # It serves others from now on, and is theirs to end.
            self._process.returncode = 0
        if self._process.stdout is not None:
            self._process.stdout.close()

    def control(self, path: str, method: str = "GET", body: object = None) -> Any:
        """Call the control API, e.g. `control("/stats")`; returns its JSON answer.

        Raises:
            urllib.error.HTTPError: it refuses.
        """
        request = urllib.request.Request(  # noqa: S310 - always http on the loopback
            self.control_url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.control_token}"},
        )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=30) as response:
            return json.loads(response.read())


def attach(state_dir: Path, time_scale: float = 60.0, faults: str | None = None) -> Running | None:
    """Share an emulated cloud that runs on that folder already; None where none does.

    Args:
        state_dir: its state folder.
        time_scale: the one it must have.
        faults: a built-in profile, or a file of faults, that it shall have from now on.

    Raises:
        InputError: it has another time scale, or the faults can't be used.
    """
    try:
        control = json.loads((state_dir / "control.json").read_bytes())
        environment = json.loads((state_dir / "environment.json").read_bytes())
    except (OSError, ValueError):
        return None
    running = Running(environment, control["url"], control["token"], control["pid"], None)
    try:
        if running.control("/healthz")["pid"] != running.pid:
            return None
        running.control("/owners", "POST", {"pid": os.getpid()})
        scale = float(running.control("/healthz")["time_scale"])
    except (OSError, ValueError):
        # Gone, and left its files behind.
        return None
    if scale != time_scale:
        running.stop()
        message = f"the emulated cloud in {state_dir} runs {scale:g} times as fast as a real one, not {time_scale:g}"
        raise InputError(message, way_out=f"use --time-scale {scale:g}, or stop process {running.pid} first")
    if faults is not None:
        _add_faults(running, faults)
    return running


def _add_faults(running: Running, faults: str) -> None:
    """Give a running cloud further faults; stops using it where it refuses them."""
    try:
        running.control("/fault-sets", "POST", {"name": _place(faults)})
    except urllib.error.HTTPError as error:
        with error:
            refused = json.loads(error.read())
        running.stop()
        raise InputError(refused["error"], way_out=refused.get("way_out", "")) from None


def _place(faults: str) -> str:
    """A file of faults by its whole path: the emulated cloud may have been started elsewhere. A profile's name as it is."""
    return str(Path(faults).resolve()) if Path(faults).is_file() else faults


def start(
    state_dir: Path,
    time_scale: float = 60.0,
    faults: str | None = None,
    *,
    seed: int = 138,
    parts: str | None = None,
) -> Running:
    """Start an emulated cloud that ends with this process.

    Args:
        state_dir: its state folder; made where missing, resumed if it holds a state.
        time_scale: emulated seconds per real second.
        faults: a built-in profile or a file of faults.
        seed: of its durations.
        parts: comma-separated parts to start; all of them where not given.

    Raises:
        InputError: an argument is wrong.
        EnvironmentProblem: it can't start, e.g. because the folder is in use.
    """
    command = [sys.executable, "-m", "chainfleet.emulator", "--state", str(state_dir)]
    command += ["--time-scale", str(time_scale), "--seed", str(seed), "--parent-pid", str(os.getpid())]
    command += ["--faults", _place(faults)] if faults else []
    command += ["--parts", parts] if parts else []
    process, log_file, begin = _spawn(command, state_dir)
    line = _first_line(process)
    if not line:
        try:
            raise _refused(process, log_file, begin)
        finally:
            if process.stdout is not None:
                process.stdout.close()
    facts = json.loads(line)
    environment = json.loads(Path(facts["environment_file"]).read_bytes())
    control = json.loads(Path(facts["control_file"]).read_bytes())
    return Running(environment, control["url"], control["token"], process.pid, process)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _spawn(command: list[str], state_dir: Path) -> tuple[subprocess.Popen[bytes], Path, int]:
    """Start the process; returns it, its log file, and where in that its messages begin."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        log_file = state_dir / "emulator.log"
        with log_file.open("ab") as stream:
            begin = stream.tell()
            # A session of its own: Ctrl-C reaches the owner first, which then stops the cloud in order.
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stream,
                start_new_session=True,
            )
    except OSError as error:
        raise EnvironmentProblem(
            f"emulated cloud in {state_dir}: {error.strerror or error}",
            way_out="give a folder that can be written",
        ) from error
    return process, log_file, begin


def _first_line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    stdout: IO[bytes] = process.stdout
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        try:
            return stdout.readline() if selector.select(_START_TIMEOUT_S) else b""
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            raise


def _refused(process: subprocess.Popen[bytes], log_file: Path, begin: int) -> ChainfleetError:
    if process.poll() is None:
        try:
            process.wait(1.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return EnvironmentProblem(
                f"the emulated cloud didn't answer within {_START_TIMEOUT_S:.0f} s", way_out=f"see {log_file}"
            )
    with log_file.open("rb") as stream:
        stream.seek(begin)
        lines = [line for line in stream.read().decode(errors="replace").splitlines() if line.strip()]
    said = next((line.removeprefix("error: ") for line in lines if line.startswith("error: ")), None)
    way_out = next((line.strip().removeprefix("way out: ") for line in lines if "way out: " in line), "")
    if said is None:
        said, way_out = f"the emulated cloud ended with code {process.returncode}", f"see {log_file}"
    kind = InputError if process.returncode == InputError.exit_code else EnvironmentProblem
    return kind(said, way_out=way_out)

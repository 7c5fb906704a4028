"""Where a fleet is deployed to and how: its file, its state folder, the policy, the cloud.

What the command line's options and the portal's forms mean; both come through here.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from chainfleet.model.errors import InputError
from chainfleet.model.fleet import Ceilings, Fleet
from chainfleet.model.fleet_file import LoadedFleet, load_fleet
from chainfleet.model.task import Mode, Phase
from chainfleet.model.variables import Variable
from chainfleet.scheduling.planning import Machine, Overrides, Selection

from .state import StateFolder

WORKERS = "workers"
"""What a state folder remembers of how its runs are spread over workers."""
DEFAULT_TIME_SCALE = 60.0
"""An hour of the real clouds passes in a minute."""


@dataclass(frozen=True, slots=True)
class PolicyOptions:
    """How to roll out, as given on the command line; None leaves what the fleet declares."""

    mode: str | None = None
    waves: str | None = None
    only: list[str] | None = None
    skip: list[str] | None = None
    start: str | None = None
    ceiling: list[str] | None = None
    approval: bool = False

    def overrides(self, fleet: Fleet) -> Overrides:
        """The planner's view; raises InputError for words that mean nothing."""
        return Overrides(
            mode=None if self.mode is None else _choice(Mode, self.mode, "--mode"),
            waves=None if self.waves is None else tuple(part.strip() for part in self.waves.split(",")),
            ceilings=self._ceilings(fleet),
            approval=True if self.approval else None,
        )

    def selection(self) -> Selection:
        """What to keep of the plan."""
        start = None if self.start is None else _choice(Phase, self.start, "--from")
        return Selection(tuple(self.only or ()), tuple(self.skip or ()), start)

    def _ceilings(self, fleet: Fleet) -> Ceilings | None:
        if not self.ceiling:
            return None
        changes = {}
        for text in self.ceiling:
            phase, _, number = text.partition("=")
            _choice(Phase, phase, "--ceiling")
            if not number.isdigit() or int(number) < 1:
                raise InputError(
                    f"--ceiling {text}: give PHASE=N with N at least 1",
                    way_out="for example --ceiling besu=8",
                )
            changes[phase] = int(number)
        return fleet.deployment.ceilings.model_copy(update=changes)


@dataclass(frozen=True, slots=True)
class TargetOptions:
    """Where to deploy to."""

    state: Path | None = None
    emulated: bool = False
    time_scale: float | None = None
    faults: str | None = None
    env_file: Path | None = None
    allow_mainnet: bool = False
    allow_destroy: bool = False
    """Whether a plan may destroy or replace what a deployment has made; for one command, never remembered."""
    ledger: str | None = None
    """Address of the database that holds the ledger; the state folder remembers it."""
    pools: list[str] | None = None
    """Which workers carry out attempts, see `distribution.pools_of`; None leaves them to this process."""
    private_clusters: bool = False
    """Whether clusters are reached from inside their networks only, see `distribution.Distribution`."""
    lease_s: float | None = None
    """Seconds without a word after which another coordinator may take over; None leaves it at `lease.TTL_S`."""

    def settings(self, cloud: Target) -> dict[str, object]:
        """What of it belongs to the environment and is kept with its revisions.

        The cloud that was opened counts, not the words: a second deployment needs no `--emulated`.
        """
        fast = cloud.time_scale if cloud.emulated and cloud.time_scale != DEFAULT_TIME_SCALE else None
        return {
            "emulated": cloud.emulated,
            "time_scale": self.time_scale or fast,
            "faults": self.faults,
            "allow_mainnet": self.allow_mainnet,
        }

    def with_workers(self, state: StateFolder) -> TargetOptions:
        """The same with the pools that the last deployment from this state folder had, unless some were given."""
        kept = state.recall(WORKERS)
        if self.pools or not kept:
            return self
        return replace(self, pools=kept["pools"], private_clusters=kept["private_clusters"])

    def state_folder(self, fleet_name: str) -> StateFolder:
        """The state folder; `.chainfleet/NAME` where none was given."""
        return StateFolder(self.state or Path(".chainfleet") / fleet_name, self.ledger)


@dataclass(frozen=True, slots=True)
class Target:
    """A cloud that is ready to be used.

    Attributes:
        environ: variables to lay over this process's environment.
        time_scale: how much faster than real it is.
        emulated: whether it is ours.
    """

    environ: Mapping[str, str]
    time_scale: float = 1.0
    emulated: bool = False


def load(path: Path, environ: Mapping[str, str] | None = None) -> LoadedFleet:
    """Read a fleet file; `environ` is laid over this process's environment."""
    return load_fleet(
        str(path), lambda name: Path(name).read_text(encoding="utf-8"), {**os.environ, **(environ or {})}
    )


def _tell(line: str) -> None:
    sys.stderr.write(f"{line}\n")


@contextmanager
def open_target(
    options: TargetOptions, state: StateFolder, *, say: Callable[[str], None] = _tell
) -> Iterator[Target]:
    """Make the cloud ready: the emulated one if asked for, or the operator's own environment.

    An emulated cloud that runs on this state folder already is shared; it ends with the last who uses it.
    """
    remembered = state.recall("target") or {}
    emulated = options.emulated or (remembered.get("emulated", False) and options.env_file is None)
    allow: dict[str, str] = {}
    if options.allow_mainnet or remembered.get("allow_mainnet"):
        allow[Variable.ALLOW_MAINNET] = "1"
    if options.allow_destroy:
        allow[Variable.ALLOW_DESTROY] = "1"
    if not emulated and options.faults is not None:
        raise InputError(
            f"--faults {options.faults}: a real cloud has faults of its own",
            way_out="add --emulated, or leave it out",
        )
    if not emulated:
        scale = options.time_scale or remembered.get("time_scale") or 1.0
        yield Target({**_env_file(options.env_file), **allow}, time_scale=scale)
        return
    from chainfleet.emulator.client import attach, start

    scale = options.time_scale or remembered.get("time_scale") or DEFAULT_TIME_SCALE
    folder = state.prepare().emulator
    running = attach(folder, time_scale=scale, faults=options.faults)
    if running is None:
        say(f"starting the emulated cloud, {scale:g} times as fast as a real one")
        running = start(folder, time_scale=scale, faults=options.faults)
    with running:
        yield Target(
            {**running.environment, **allow, Variable.LOCAL_STATE: "1"}, time_scale=scale, emulated=True
        )


def remember_target(state: StateFolder, options: TargetOptions, target: Target) -> None:
    """Keep what later commands on this state folder need to reach the same cloud."""
    facts = {
        "emulated": target.emulated,
        "time_scale": target.time_scale,
        "allow_mainnet": options.allow_mainnet,
    }
    state.remember("target", facts)


def remember_workers(state: StateFolder, options: TargetOptions) -> None:
    """Keep how a deployment is spread over workers, so that whoever goes on with it need not know."""
    kept = {"pools": options.pools, "private_clusters": options.private_clusters}
    if options.pools or state.recall(WORKERS) is not None:
        state.remember(WORKERS, kept if options.pools else None)


def machine() -> Machine:
    """What of this machine a plan may use: half of the memory that is free now, at least 1 GiB."""
    import psutil

    free_mib = psutil.virtual_memory().available // 2**20
    return Machine(memory_mib=max(1024, free_mib // 2), cores=float(os.cpu_count() or 1))


def _env_file(path: Path | None) -> dict[str, str]:
    if path is None:
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"--env-file {path}: {error}", way_out="give a JSON object of variable names to values"
        ) from None
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
        raise InputError(
            f"--env-file {path}: not a JSON object of names to texts", way_out='write {"NAME": "text", …}'
        )
    return content


E = TypeVar("E", Mode, Phase)


def _choice(kind: type[E], word: str, option: str) -> E:
    try:
        return kind(word)
    except ValueError:
        known = ", ".join(item.value for item in kind)
        raise InputError(f"{option} {word}: not known", way_out=f"one of {known}") from None


def place_of(loaded: LoadedFleet, keys: str) -> str:
    """Where a value stands in the fleet file, by its dotted path of keys and indices."""
    path = (int(part) if part.isdigit() else part for part in keys.split(".") if part)
    return str(loaded.place(*path))

"""Plans and a small driver that the scheduling tests share."""

from __future__ import annotations

from collections.abc import Mapping

from chainfleet.model.errors import ErrorClass
from chainfleet.model.event import (
    AttemptFailed,
    AttemptSucceeded,
    Command,
    Event,
    Finish,
    RunStarted,
    StartAttempt,
    StateChanged,
    TimePassed,
)
from chainfleet.model.task import (
    Demand,
    Estimate,
    Limit,
    LimitKind,
    Mode,
    Phase,
    Plan,
    Policy,
    Task,
)
from chainfleet.scheduling.scheduler import Scheduler


def task(name: str, seconds: float = 1.0, draws: Mapping[str, float] | None = None, **more: object) -> Task:
    """A task with an id in the usual form; `draws` are its demands by limit."""
    phase, _, rest = name.partition("/")
    if not rest:
        phase, name = "besu", f"besu/do/{name}"
    demands = tuple(Demand(limit, amount) for limit, amount in (draws or {}).items())
    more.setdefault("estimate", Estimate(seconds))
    return Task(id=name, phase=Phase(phase), demands=demands, **more)  # type: ignore[arg-type]


def slots(name: str, capacity: float, **more: object) -> Limit:
    return Limit(name, LimitKind.CONCURRENCY, capacity, **more)  # type: ignore[arg-type]


def bucket(name: str, burst: float, rate: float, **more: object) -> Limit:
    return Limit(name, LimitKind.TOKENS, burst, rate, **more)  # type: ignore[arg-type]


def plan_of(*tasks: Task, limits: tuple[Limit, ...] = (), policy: Policy | None = None) -> Plan:
    return Plan("test", "r1", Mode.ULTRA, tasks, limits, policy or Policy())


class Hand:
    """Feeds a scheduler by hand and remembers what it said."""

    def __init__(self, plan: Plan, **more: object) -> None:
        self.scheduler = Scheduler(plan, **more)  # type: ignore[arg-type]
        self.now = 0.0
        self.commands: list[Command] = []
        self.attempts: dict[str, int] = {}

    def tell(self, event: Event, at: float | None = None) -> list[Command]:
        self.now = self.now if at is None else at
        commands = self.scheduler.handle(event, self.now)
        self.commands += commands
        for command in commands:
            if isinstance(command, StartAttempt):
                self.attempts[command.task] = command.attempt
        return commands

    def begin(self, event: RunStarted | None = None) -> list[str]:
        return started(self.tell(event or RunStarted()))

    def wait(self, at: float) -> list[str]:
        return started(self.tell(TimePassed(), at))

    def succeed(self, name: str, at: float | None = None) -> list[str]:
        return started(self.tell(AttemptSucceeded(self._id(name), self.attempts[self._id(name)]), at))

    def fail(
        self,
        name: str,
        error_class: ErrorClass = ErrorClass.CONFIGURATION,
        at: float | None = None,
        **more: object,
    ) -> list[Command]:
        name = self._id(name)
        more.setdefault("message", "it broke")
        return self.tell(AttemptFailed(name, self.attempts[name], error_class, **more), at)  # type: ignore[arg-type]

    def _id(self, name: str) -> str:
        return name if "/" in name else f"besu/do/{name}"

    def state(self, name: str) -> str:
        return self.scheduler.state(self._id(name)).value

    @property
    def finish(self) -> Finish:
        assert self.scheduler.finished is not None
        return self.scheduler.finished


def started(commands: list[Command]) -> list[str]:
    """Short names of the tasks whose attempts begin."""
    return [c.task.removeprefix("besu/do/") for c in commands if isinstance(c, StartAttempt)]


def changes(commands: list[Command]) -> list[tuple[str, str]]:
    """Transitions as short name and state."""
    return [(c.task.removeprefix("besu/do/"), c.state.value) for c in commands if isinstance(c, StateChanged)]

"""Which telemetry the environment asks for; without a word from it, none."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from chainfleet.drivers.scraping import TEXT, Answer, exposition, served
from chainfleet.model.errors import EnvironmentProblem, InputError
from chainfleet.model.variables import Variable

from ..coordinator import Coordinator, Observer
from .log import RunLog
from .metrics import RunMetrics

METRICS_PORT = Variable.METRICS_PORT
LOG_FILE = Variable.LOG_FILE
ENDPOINT = Variable.OTEL_EXPORTER_OTLP_ENDPOINT
TRACES_ENDPOINT = Variable.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT


@dataclass(slots=True)
class Telemetry:
    """The observers of one process.

    Attributes:
        environ: the process environment.
        wall: seconds since 1970.
    """

    environ: Mapping[str, str]
    wall: Callable[[], float] = time.time
    _metrics: RunMetrics | None = None
    _provider: Any = None
    _closing: ExitStack = field(default_factory=ExitStack)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Telemetry]:
        """Serve metrics while the context is open, if a port was given, and send what is left at the end.

        Raises:
            InputError: the port is no number.
            EnvironmentProblem: the port is taken, the log can't be written, or OpenTelemetry isn't installed.
        """
        self._provider = tracer_provider(self.environ)
        if self._provider is not None:
            self._closing.callback(self._provider.shutdown)
        with self._closing:
            async with AsyncExitStack() as stack:
                port = self._port()
                if port is not None:
                    await self._serve(stack, port)
                yield self

    async def _serve(self, stack: AsyncExitStack, port: int) -> None:
        try:
            await stack.enter_async_context(served(self._render, port))
        except OSError as error:
            message = f"can't serve metrics on port {port}: {error.strerror or error}"
            raise EnvironmentProblem(message, way_out=f"choose another {METRICS_PORT}") from None

    def observers(self, coordinator: Coordinator) -> Sequence[Observer]:
        """Return the observers of a run; attempts are run with their calls recorded from now on."""
        found: list[Observer] = []
        if self._port() is not None:
            self._metrics = RunMetrics(coordinator, self.wall)
            found.append(self._metrics)
        if name := self.environ.get(LOG_FILE):
            found.append(RunLog(coordinator, self._open(name), self.wall))
        if self._provider is not None:
            from .spans import RunSpans

            spans = RunSpans(coordinator, self._provider.get_tracer("chainfleet"), self.wall)
            coordinator.run_attempt = spans.traced(coordinator.run_attempt)
            self._closing.callback(lambda: spans.close(coordinator.now()))
            found.append(spans)
        return found

    def _render(self, accept: str) -> Answer:
        # Before the run has begun there is nothing to tell.
        return (b"", TEXT) if self._metrics is None else exposition(self._metrics, accept)

    def _port(self) -> int | None:
        text = self.environ.get(METRICS_PORT, "")
        if not text:
            return None
        if not text.isdigit() or int(text) > 65535:
            raise InputError(f"{METRICS_PORT}={text}: no port", way_out="give a number, e.g. 9607")
        return int(text)

    def _open(self, name: str) -> Any:
        try:
            return self._closing.enter_context(Path(name).open("a", encoding="utf-8"))
        except OSError as error:
            message = f"can't write {LOG_FILE}={name}: {(error.strerror or str(error)).lower()}"
            raise EnvironmentProblem(message, way_out="choose another file") from None


def tracer_provider(environ: Mapping[str, str]) -> Any:
    """The tracer provider, if an endpoint is configured, else None; its exporter reads the standard variables.

    Raises:
        EnvironmentProblem: OpenTelemetry isn't installed.
    """
    if not (environ.get(ENDPOINT) or environ.get(TRACES_ENDPOINT)):
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        message = f"{ENDPOINT} is set, but OpenTelemetry is not installed"
        raise EnvironmentProblem(message, way_out="pip install 'chainfleet[telemetry]'") from None
    # The SDK tells of every try; an operator wants to hear of it once.
    logging.getLogger("opentelemetry.exporter.otlp.proto.http.trace_exporter").addFilter(_first())
    provider = TracerProvider(resource=Resource.create({"service.name": "chainfleet"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _first() -> Callable[[logging.LogRecord], bool]:
    """A filter that lets the first record pass."""
    seen = count()
    return lambda _: next(seen) == 0

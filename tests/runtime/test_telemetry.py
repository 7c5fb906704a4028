"""What a run says of itself: metrics, spans and log lines, all made from the same events."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import urllib.request
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families as parse

from chainfleet.drivers.calls import call
from chainfleet.drivers.driver import Outcome
from chainfleet.model.errors import EnvironmentProblem, ErrorClass, InputError, TaskFailed
from chainfleet.model.event import LimitObserved
from chainfleet.model.task import Demand, Limit, LimitKind, Mode, Phase, Plan, Policy, RetryPolicy, Task
from chainfleet.runtime import operations
from chainfleet.runtime.operations import open_environment, start_run
from chainfleet.runtime.state import StateFolder
from chainfleet.runtime.telemetry import RUN_METRICS, RunMetrics, Telemetry
from chainfleet.runtime.telemetry.log import RunLog
from chainfleet.runtime.telemetry.spans import RunSpans

SLOTS = Limit("besu/slots", LimitKind.CONCURRENCY, 2)
BUCKET = Limit("azure/write", LimitKind.TOKENS, 100, rate_per_s=50, adaptive=True)


def plan():
    def task(name, phase, *needs, region=None):
        demands = (Demand(SLOTS.name), Demand(BUCKET.name))
        return Task(f"{name}", phase, needs=needs, demands=demands, region=region)

    network = task("infrastructure/network/north", Phase.INFRASTRUCTURE, region="north")
    tasks = (
        network,
        task("besu/start/north-0", Phase.BESU, network.id, region="north"),
        task("besu/start/north-1", Phase.BESU, network.id, region="north"),
        task("besu/start/north-2", Phase.BESU, network.id, region="north"),
        task("verification/region/north", Phase.VERIFICATION, "besu/start/north-2", region="north"),
    )
    policy = Policy(retry=RetryPolicy(base_s=0.02, cap_s=0.05))
    return Plan("chain-138", "r", Mode.ULTRA, tasks, (SLOTS, BUCKET), policy=policy)


class Busy:
    """Calls a cluster; fails once here and for good there."""

    async def observe(self, attempt):
        return None

    async def change(self, attempt):
        with call("kubernetes", "list Pod"):
            await asyncio.sleep(0.01)
        if attempt.task.id == "besu/start/north-1" and attempt.number == 1:
            attempt.observed(LimitObserved(BUCKET.name, throttled=1, calls=4))
            raise TaskFailed(ErrorClass.TRANSIENT, "the line went dead")
        if attempt.task.id == "besu/start/north-2":
            with call("chain", "eth_chainId of validator-2"):
                raise TaskFailed(ErrorClass.CONFIGURATION, "another key\n  way out: mount the right one")
        return Outcome()

    async def undo(self, attempt):
        return Outcome()


@pytest.fixture
def run_with(chain_138, tmp_path, monkeypatch):
    async def of(_drivers, _task):
        return Busy()

    monkeypatch.setattr(operations.Drivers, "of", of)

    def run(make_observers, around=None):
        async def work(environment):
            if around is None:
                return await start_run(environment, plan(), "r1-deploy", make_observers)
            async with around.running() as telemetry:
                return await start_run(environment, plan(), "r1-deploy", telemetry.observers)

        with open_environment(chain_138, StateFolder(tmp_path / "state"), {}) as environment:
            return asyncio.run(work(environment))

    return run


def read(metrics):
    return {
        (s.name, *sorted((k, v) for k, v in s.labels.items() if k not in ("fleet", "run"))): s.value
        for family in parse(generate_latest(metrics).decode())
        for s in family.samples
    }


def test_metrics_count_what_happened(run_with):
    made = []
    during = []

    class Peeping(RunMetrics):
        def see(self, at, things):
            super().see(at, things)
            during.append(read(self))

    def observe(coordinator):
        made.append(Peeping(coordinator, lambda: 1_800_000_000.0))
        return made

    run_with(observe)
    seen = read(made[0])
    assert seen["chainfleet_run_tasks", ("state", "succeeded")] == 3
    assert seen["chainfleet_run_tasks", ("state", "failed")] == 1
    assert seen["chainfleet_run_tasks", ("state", "skipped")] == 1
    assert seen["chainfleet_run_failed_attempts_total", ("error_class", "transient")] == 1
    assert seen["chainfleet_run_failed_attempts_total", ("error_class", "configuration")] == 1
    assert seen["chainfleet_run_attempts_total", ("phase", "besu"), ("result", "failed")] == 2
    assert seen["chainfleet_run_retries_total", ("phase", "besu")] == 1
    assert seen["chainfleet_run_throttled_calls_total", ("limit", "azure/write")] == 1
    assert seen["chainfleet_run_calls_total", ("limit", "azure/write")] == 4
    assert seen["chainfleet_run_attempt_seconds_count", ("phase", "besu")] == 4
    assert seen["chainfleet_run_estimated_seconds_total", ("phase", "besu")] == 4
    assert seen["chainfleet_run_finished",] == 1
    assert seen["chainfleet_run_remaining_seconds",] == 0
    assert 0 < seen["chainfleet_run_ledger_lag_seconds",] < 60
    assert seen["chainfleet_run_attempts_running", ("phase", "besu")] == 0
    assert max(values["chainfleet_run_attempts_running", ("phase", "besu")] for values in during) == 2
    assert (
        min(values["chainfleet_run_limit_headroom_ratio", ("limit", "besu/slots")] for values in during) == 0
    )
    assert (
        max(values["chainfleet_run_limit_waiting_tasks", ("limit", "besu/slots")] for values in during) >= 1
    )


def test_metrics_are_those_of_the_catalogue(run_with):
    made = []
    run_with(lambda c: made.append(RunMetrics(c, lambda: 1.8e9)) or made)
    families = {
        f.name + ("_total" if f.type == "counter" else ""): f
        for f in parse(generate_latest(made[0]).decode())
    }
    for metric in RUN_METRICS:
        family = families.pop(metric.name)
        assert (family.type, family.documentation) == (metric.kind, metric.help)
        assert family.samples or metric.name.endswith("capacity_ratio"), metric.name
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.labels)
    assert families == {}


def test_spans_are_nested_and_linked(run_with):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")

    def observe(coordinator):
        spans = RunSpans(coordinator, tracer, lambda: 1_800_000_000.0)
        coordinator.run_attempt = spans.traced(coordinator.run_attempt)
        return [spans]

    run_with(observe)
    spans = {s.context.span_id: s for s in exporter.get_finished_spans()}
    by_name = {s.name: s for s in spans.values()}

    def path(span):
        names = []
        while span is not None:
            names.append(span.name)
            span = spans.get(span.parent.span_id) if span.parent else None
        return names[::-1]

    assert path(by_name["attempt 2 of besu/start/north-1"]) == [
        "run r1-deploy",
        "phase besu",
        "besu/start/north-1",
        "attempt 2 of besu/start/north-1",
    ]
    failing = by_name["eth_chainId of validator-2"]
    assert path(failing)[-2] == "attempt 1 of besu/start/north-2"
    assert not failing.status.is_ok
    calls = Counter(path(s)[-2] for s in spans.values() if s.name == "list Pod")
    assert calls["attempt 1 of besu/start/north-1"] == calls["attempt 2 of besu/start/north-1"] == 1
    (link,) = by_name["besu/start/north-0"].links
    assert spans[link.context.span_id].name == "infrastructure/network/north"
    assert by_name["attempt 1 of besu/start/north-1"].attributes["chainfleet.error_class"] == "transient"
    assert by_name["besu/start/north-2"].status.description == "another key"
    assert by_name["run r1-deploy"].attributes["chainfleet.verdict"] == "failed"
    for span in spans.values():
        assert span.end_time >= span.start_time
        assert span.attributes.get("chainfleet.run", "r1-deploy") == "r1-deploy"
        if span.parent:
            assert span.parent.span_id in spans, "nobody is an orphan"


def test_log_lines_have_run_task_and_attempt(run_with, tmp_path):
    path = tmp_path / "log.jsonl"
    with path.open("w") as stream:
        run_with(lambda c: [RunLog(c, stream, lambda: 1_800_000_000.0)])
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert {line["run"] for line in lines} == {"r1-deploy"}
    (failed,) = [x for x in lines if x["event"] == "AttemptFailed" and x["error_class"] == "transient"]
    assert (failed["task"], failed["attempt"], failed["region"]) == ("besu/start/north-1", 1, "north")
    assert lines[0]["event"] == "RunStarted"
    assert [x for x in lines if x["event"] == "Finish"][-1]["verdict"] == "failed"
    assert "WakeAt" not in {line["event"] for line in lines}


def test_a_log_that_cannot_be_written_does_not_fail_the_run(run_with):
    class Full:
        def writelines(self, lines):
            raise OSError("no space left")

    assert run_with(lambda c: [RunLog(c, Full(), lambda: 0.0)]).finish is not None


def test_only_a_port_that_is_taken_is_taken_for_one(free_port):
    async def run(port, problem):
        async with Telemetry({"CHAINFLEET_METRICS_PORT": str(port)}).running():
            raise problem

    with pytest.raises(OSError, match="the disk is full"):
        asyncio.run(run(free_port, OSError("the disk is full")))
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(EnvironmentProblem, match="can't serve metrics"):
            asyncio.run(run(other.getsockname()[1], OSError("never reached")))


def test_the_environment_switches_everything_on(run_with, tmp_path, free_port, monkeypatch):
    received = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                import gzip

                body = gzip.decompress(body)
            received.append((self.path, ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    scraped = []

    class Watching(Telemetry):
        def observers(self, coordinator):
            return [*super().observers(coordinator), self]

        def see(self, at, things):
            if not scraped or scraped[-1].done():  # One after the other, as Prometheus does.
                scraped.append(asyncio.get_running_loop().run_in_executor(None, fetch, free_port))

    def fetch(port):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
                return answer.read()
        except OSError:  # the run is over and so is the server
            return b""

    telemetry = Watching(
        {
            "CHAINFLEET_METRICS_PORT": str(free_port),
            "CHAINFLEET_LOG_FILE": str(tmp_path / "log.jsonl"),
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
        }
    )
    run_with(None, telemetry)
    server.shutdown()
    thread.join()
    server.server_close()
    assert any(b"chainfleet_run_tasks" in f.result() for f in scraped if f.done())
    assert (tmp_path / "log.jsonl").read_text().count("\n") > 10
    (path, *_), *_ = received
    assert path == "/v1/traces"
    names = [
        s.name for _, r in received for rs in r.resource_spans for ss in rs.scope_spans for s in ss.spans
    ]
    assert "run r1-deploy" in names
    assert len(names) > 12


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize(
    ("environ", "error", "text"),
    [
        ({"CHAINFLEET_METRICS_PORT": "http"}, InputError, "no port"),
        ({"CHAINFLEET_METRICS_PORT": "70000"}, InputError, "no port"),
        ({"CHAINFLEET_LOG_FILE": "/nowhere/at/all"}, EnvironmentProblem, "can't write"),
    ],
)
def test_a_wrong_wish_is_one_clear_error(run_with, environ, error, text):
    with pytest.raises(error, match=text):
        run_with(None, Telemetry(environ))


def test_without_a_wish_there_is_nothing(run_with):
    assert run_with(None, Telemetry({})).finish is not None

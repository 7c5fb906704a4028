"""A living network of 24 regions under a real Prometheus: emulated clusters and Besu, our drivers, our rules.

The network is brought up on a clock that runs fast; then the clock is set to the time of day and runs like
it, because Prometheus has no other.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "kubernetes"))

from cluster_harness import ROOT, EmulatedRegions

from chainfleet.cli.exporter import collector_of
from chainfleet.drivers.besu import BesuDriver
from chainfleet.drivers.kubernetes import KubernetesDriver
from chainfleet.drivers.monitoring import MonitoringDriver
from chainfleet.drivers.monitoring.configuration import region_configuration
from chainfleet.drivers.monitoring.rules import rule_files
from chainfleet.drivers.scraping import exposition, served
from chainfleet.emulator.chain.anvil import find_anvil
from chainfleet.emulator.clock import ScaledClock
from chainfleet.emulator.seams import Fault, FaultKind
from chainfleet.model.fleet_monitoring import RemoteWrite

LIMIT_S = 180.0
"""Seconds to wait for what should come: Prometheus' clock is the real one, and the machine may be busy or stand still."""
FAST = 300.0
_AHEAD_S = 21_600.0


class TwoSpeedClock(ScaledClock):
    """Runs fast until `settle`, then as the time of day, which it then shows."""

    def __init__(self, scale):
        super().__init__(scale)
        self._began = time.time()
        self._settled_at = None
        self._base = 0.0

    @property
    def time_scale(self):
        return self._scale if self._settled_at is None else 1.0

    def now(self):
        if self._settled_at is None:
            return super().now()
        return self._base + time.time() - self._settled_at

    def settle(self):
        assert super().now() < _AHEAD_S, "the network took too long to come up"
        self._base = _AHEAD_S + time.time() - self._began
        self._settled_at = time.time()

    def wall(self):
        """Hours behind at first, the time of day once settled."""
        return self._began - _AHEAD_S + self.now()

    async def sleep(self, emulated_s):
        # In two parts: the clock may be set while somebody sleeps.
        end = self.now() + emulated_s
        await asyncio.sleep(min(max(0.0, emulated_s) / self.time_scale, 0.5))
        if (left := end - self.now()) > 0:
            await asyncio.sleep(left / self.time_scale)


class LivingRegions(EmulatedRegions):
    """Regions whose clock becomes the time of day."""

    def __init__(self, folder, authority, **options):
        super().__init__(folder, authority, time_scale=FAST, besu=True, **options)

    def make_clock(self, time_scale):
        return TwoSpeedClock(time_scale)

    def wall(self):
        return self.clock.wall()

    async def bring_up(self, *, monitoring=True):
        names = [region.name for region in self.fleet.regions]
        for task in ("besu/keys/network", "besu/genesis/network", "besu/peers/network"):
            await self.run(BesuDriver(), task)
        for kind, driver in (("kubernetes/base", KubernetesDriver()), ("besu/config", BesuDriver())):
            await asyncio.gather(*(self.run(driver, f"{kind}/{name}") for name in names))
        starts = [f"besu/start/{name}-{index}" for name in names for index in (0, 1)]
        work = [self.run(BesuDriver(), task) for task in starts]
        if monitoring:
            work += [self.run(MonitoringDriver(), f"monitoring/install/{name}") for name in names]
        await asyncio.gather(*work)
        await self.run(BesuDriver(), "besu/chain/network")
        self.clock.settle()
        self.fleet = self.fleet.model_copy(
            update={"deployment": self.fleet.deployment.model_copy(update={"time_scale": 1.0})}
        )

    def lose_regions(self, *names):
        for name in names:
            self.faults.add(Fault(FaultKind.REGION_DOWN, region=name))


async def discovered(world, region, role, namespace=None):
    """What Prometheus' discovery finds in a cluster, as its documentation names it.

    Debian builds Prometheus without Kubernetes discovery: this stands in for it, from the cluster's own objects.
    """
    cluster = await world.cluster(region)
    if role == "node":
        return [{"node_name": item["metadata"]["name"]} for item in await cluster.list_objects("Node")]
    found = []
    for pod in await cluster.list_objects("Pod", namespace):
        meta = pod["metadata"]
        common = {"namespace": meta["namespace"], "pod_name": meta["name"]}
        common["pod_node_name"] = pod["spec"].get("nodeName", "")
        for key, value in (meta.get("labels") or {}).items():
            common["pod_label_" + re.sub(r"\W", "_", key)] = value
        for container in pod["spec"]["containers"]:
            for port in container.get("ports", ()):
                named = {"port_name": port.get("name", ""), "port_number": str(port["containerPort"])}
                found.append(common | {f"pod_container_{key}": value for key, value in named.items()})
    return found


async def through_the_api_server(world, job, folder, region):
    """The rendered job, with pods and nodes reached through the emulated API server instead of by their address."""
    endpoint, name = world.emulated.endpoint(f"/clusters/{region}"), f"{region}-{job['job_name']}"
    (folder / "ca.crt").write_text(endpoint.ca_pem)
    (folder / f"{region}.token").write_text(endpoint.token)
    (sd,) = job["kubernetes_sd_configs"]
    (namespace,) = sd["namespaces"]["names"] if "namespaces" in sd else (None,)
    targets = []
    for found in await discovered(world, region, sd["role"], namespace):
        if sd["role"] == "pod":
            pod = f"{found['pod_name']}:{found['pod_container_port_number']}"
            way = f"namespaces/{found['namespace']}/pods/{pod}/proxy"
        else:
            way = f"nodes/{found['node_name']}/proxy"
        labels = {f"__meta_kubernetes_{key}": value for key, value in found.items()}
        labels["__metrics_path__"] = f"/api/v1/{way}{job['metrics_path']}"
        # Otherwise all targets of a region would be one: they share an address.
        labels["instance"] = way
        targets.append({"targets": [endpoint.server.removeprefix("https://")], "labels": labels})
    (folder / f"{name}.json").write_text(json.dumps(targets))
    rest = {key: value for key, value in job.items() if key not in ("kubernetes_sd_configs", "metrics_path")}
    return {
        **rest,
        "job_name": name,
        "scheme": "https",
        "tls_config": {"ca_file": str(folder / "ca.crt")},
        "authorization": {"credentials_file": str(folder / f"{region}.token")},
        "file_sd_configs": [{"files": [str(folder / f"{name}.json")]}],
        "relabel_configs": [*job["relabel_configs"], {"target_label": "job", "replacement": job["job_name"]}],
    }


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Program:
    """A Debian program that is stopped by its id in the end."""

    def __init__(self, command, log):
        self._log = log.open("w")
        self._process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT)

    def stop(self):
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


class Prometheus(Program):
    """A real Prometheus on a free port."""

    def __init__(self, folder, config, rules, *flags, name="prometheus", port=None):
        self.folder = Path(folder) / name
        (self.folder / "rules").mkdir(parents=True)
        self.port = port or free_port()
        for file, content in rules.items():
            (self.folder / "rules" / file).write_text(yaml.safe_dump(content))
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        command = ["prometheus", f"--config.file={self.folder}/prometheus.yml"]
        command += [f"--web.listen-address=127.0.0.1:{self.port}", *flags]
        if "--enable-feature=agent" not in flags:
            command.append(f"--storage.tsdb.path={self.folder}/data")
        super().__init__(command, self.folder / "log")

    def _get(self, path, **query):
        url = f"http://127.0.0.1:{self.port}{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as refusal:
            with refusal:
                raise AssertionError(f"{query}: {refusal.read().decode()}") from None

    async def query(self, expression):
        """The vector that an expression gives now."""
        found = await asyncio.to_thread(self._get, "/api/v1/query", query=expression)
        return found["data"]["result"]

    async def value(self, expression):
        result = await self.query(expression)
        return float(result[0]["value"][1]) if result else None

    async def query_range(self, expression, seconds, step):
        end = time.time()
        found = await asyncio.to_thread(
            self._get, "/api/v1/query_range", query=expression, start=end - seconds, end=end, step=step
        )
        return found["data"]["result"]

    async def alerts(self, state="firing"):
        found = await asyncio.to_thread(self._get, "/api/v1/alerts")
        return [alert for alert in found["data"]["alerts"] if alert["state"] == state]

    async def firing(self):
        return {alert["labels"]["alertname"] for alert in await self.alerts()}

    async def names(self):
        """Every metric name it has a sample of."""
        found = await asyncio.to_thread(self._get, "/api/v1/label/__name__/values")
        return set(found["data"])

    async def until(self, condition, what):
        end = time.monotonic() + LIMIT_S
        while True:
            try:
                found = await condition()
            except (OSError, AssertionError):
                found = None
            if found:
                return found
            if time.monotonic() > end:
                raise AssertionError(
                    f"not within {LIMIT_S:g} s: {what}; {(self.folder / 'log').read_text()[-1500:]}"
                )
            await asyncio.sleep(0.25)

    async def fires(self, names):
        """Wait until all of these fire; returns the seconds it took."""
        began = time.monotonic()

        async def all_firing():
            return set(names) <= await self.firing()

        try:
            await self.until(all_firing, f"alerts {names}")
        except AssertionError as late:
            pending = {a["labels"]["alertname"] for a in await self.alerts("pending")}
            raise AssertionError(
                f"{set(names) - await self.firing()} missing, pending {pending}: {late}"
            ) from None
        return time.monotonic() - began


@asynccontextmanager
async def exported(world, interval_s):
    """The chain exporter of a world, looking all the time; gives (collector, port)."""
    collector = collector_of(world.attempt("monitoring/exporter/network"), feeds_every_s=1.0)

    async def look():
        while True:
            began = time.monotonic()
            await collector.look()
            await asyncio.sleep(max(0.05, interval_s - (time.monotonic() - began)))

    looking = asyncio.create_task(look())
    try:
        async with served(lambda accept: exposition(collector, accept), 0) as port:
            yield collector, port
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def central_config(world, folder, exporter_port, run_port=None, *, alertmanager=None, without=()):
    """One Prometheus that does by itself what all regions' would: their rendered jobs and the central rules.

    `without` names regions whose samples come by remote write.
    """
    fleet, interval = world.fleet, f"{world.fleet.monitoring.scrape_interval_seconds}s"
    jobs = [{"job_name": "chain-exporter", "static_configs": [{"targets": [f"127.0.0.1:{exporter_port}"]}]}]
    if run_port is not None:
        jobs.append({"job_name": "chainfleet", "static_configs": [{"targets": [f"127.0.0.1:{run_port}"]}]})
    for region in fleet.regions:
        if region.name in without:
            continue
        mine = region_configuration(fleet, region)["scrape_configs"]
        found = [job for job in mine if "kubernetes_sd_configs" in job]
        jobs += await asyncio.gather(
            *(through_the_api_server(world, job, folder, region.name) for job in found)
        )
    config = {
        "global": {
            "scrape_interval": interval,
            "scrape_timeout": interval,
            "evaluation_interval": interval,
            "external_labels": {"fleet": fleet.name},
        },
        "rule_files": ["rules/*.yml"],
        "scrape_configs": jobs,
    }
    if alertmanager is not None:
        targets = [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}]
        config["alerting"] = {"alertmanagers": targets}
    return config


async def agent_config(world, folder, region, port, central_port):
    """The rendered configuration of a region's agent, sending to a central Prometheus on loopback."""
    agents = world.fleet.monitoring.model_copy(
        update={
            "collector": "agent",
            "alert_webhook": None,
            "remote_write": RemoteWrite(url=f"http://127.0.0.1:{central_port}/api/v1/write"),
        }
    )
    config = region_configuration(
        world.fleet.model_copy(update={"monitoring": agents}), world.fleet.region(region)
    )
    jobs = []
    for job in config["scrape_configs"]:
        if "kubernetes_sd_configs" in job:
            jobs.append(await through_the_api_server(world, job, folder, region))
        else:
            job["static_configs"][0]["targets"] = [f"127.0.0.1:{port}"]
            jobs.append(job)
    return {**config, "scrape_configs": jobs}


@asynccontextmanager
async def watched(world, folder, run_port=None, *, alertmanager=None, by_agent=()):
    """A world with exporter and Prometheus; gives (Prometheus, collector).

    Regions named in `by_agent` are scraped by an agent of their own that writes to the Prometheus.
    """
    interval = world.fleet.monitoring.scrape_interval_seconds
    async with AsyncExitStack() as stack:
        collector, port = await stack.enter_async_context(exported(world, interval))
        config = await central_config(
            world, folder, port, run_port, alertmanager=alertmanager, without=by_agent
        )
        prometheus = Prometheus(folder, config, rule_files(world.fleet), "--web.enable-remote-write-receiver")
        stack.callback(prometheus.stop)
        for region in by_agent:
            own = free_port()
            flags = ("--enable-feature=agent", f"--storage.agent.path={folder}/{region}-agent")
            agent_of = await agent_config(world, folder, region, own, prometheus.port)
            agent = Prometheus(folder, agent_of, {}, *flags, name=f"agent-{region}", port=own)
            stack.callback(agent.stop)

        async def ready():
            return (
                await prometheus.value('count(up{job="besu-validator"} == 1)') == world.fleet.validator_count
            )

        await prometheus.until(ready, "all validators scraped")
        yield prometheus, collector


def installed(*programs):
    return all(shutil.which(program) for program in programs)


class Webhook:
    """Takes what Alertmanager posts."""

    def __init__(self):
        self.port = 0
        self.received = []

    @asynccontextmanager
    async def listening(self):
        async def take(reader, writer):
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(re.search(rb"(?i)content-length: (\d+)", head)[1])
                self.received.append(json.loads(await reader.readexactly(length)))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                await writer.drain()
            except (asyncio.IncompleteReadError, OSError):
                pass  # It was stopped while it told.
            finally:
                writer.close()

        server = await asyncio.start_server(take, "127.0.0.1", 0)
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            yield self

    def told(self):
        """Names of alerts by how many of them one message carried at most."""
        found = {}
        for message in self.received:
            name = message["groupLabels"]["alertname"]
            found[name] = max(found.get(name, 0), len(message["alerts"]))
        return found


def start_alertmanager(folder, config, webhook_port):
    """Alertmanager with the rendered routes; Debian's is too old for `url_file`, so the address is put in."""
    (hook,) = config["receivers"][0]["webhook_configs"]
    del hook["url_file"]
    hook["url"] = f"http://127.0.0.1:{webhook_port}/"
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(config))
    port = free_port()
    command = ["prometheus-alertmanager", f"--config.file={folder}/alertmanager.yml"]
    command += [f"--storage.path={folder}/alertmanager", "--cluster.listen-address="]
    return Program([*command, f"--web.listen-address=127.0.0.1:{port}"], folder / "alertmanager.log"), port


def start_anvil(folder, chain_id):
    """A local chain; gives (program, address)."""
    port = free_port()
    binary = str(find_anvil(os.environ, ROOT))
    command = [binary, "--chain-id", str(chain_id), "--port", str(port), "--silent"]
    return Program(command, folder / f"anvil-{chain_id}.log"), f"http://127.0.0.1:{port}"

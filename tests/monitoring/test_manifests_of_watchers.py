"""The objects that watch a region, in every combination a fleet may ask for."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "kubernetes"))

from cluster_harness import EmulatedRegions

from chainfleet.drivers.besu.policy import policy_breaches
from chainfleet.drivers.kubernetes import KubernetesDriver
from chainfleet.drivers.monitoring import MonitoringDriver, monitoring_manifests
from chainfleet.drivers.monitoring.manifests import credentials
from chainfleet.emulator.tls import Authority
from chainfleet.model.errors import ErrorClass, FleetError, TaskFailed
from chainfleet.model.fleet_file import load_fleet
from chainfleet.model.fleet_monitoring import Monitoring, RemoteWrite

WRITE = RemoteWrite(url="https://central.example:8443/api/v1/write", token="${REMOTE_TOKEN}")
FLAVOURS = {
    "plain": Monitoring(),
    "everything": Monitoring(
        alert_webhook="${ALERT_WEBHOOK}", remote_write=WRITE, kube_state_image="kube-state-metrics:v2.17.0"
    ),
    "agent": Monitoring(collector="agent", remote_write=WRITE),
    "old agent": Monitoring(collector="agent", remote_write=WRITE, prometheus_version="v2.55.1"),
}
SECRETS = {"REMOTE_TOKEN": "t0ken-of-the-central-one", "ALERT_WEBHOOK": "https://pager.example/secret-path"}


def manifests_of(chain_138, flavour):
    fleet = chain_138.model_copy(update={"monitoring": FLAVOURS[flavour]})
    return monitoring_manifests(fleet, fleet.region("northeurope"))


def only(manifests, kind, name):
    (found,) = [m for m in manifests if m["kind"] == kind and m["metadata"]["name"] == name]
    return found


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_every_object_passes_the_strict_schemas_and_the_policy(chain_138, flavour):
    manifests = manifests_of(chain_138, flavour)
    assert policy_breaches(manifests) == ()
    for manifest in manifests:
        kubernetes_validate.validate(manifest, "1.34", strict=True)
    titles = [(m["kind"], m["metadata"]["name"]) for m in manifests]
    assert len(set(titles)) == len(titles), "objects are told apart by kind and name"


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.skipif(shutil.which("promtool") is None, reason="Debian package prometheus")
def test_promtool_takes_a_regions_configuration(chain_138, flavour, tmp_path):
    manifests = manifests_of(chain_138, flavour)
    config = yaml.safe_load(only(manifests, "ConfigMap", "prometheus-config")["data"]["prometheus.yml"])
    for job in config["scrape_configs"]:
        # Debian's build has no Kubernetes discovery; files of the pod's stand in for it and for secrets.
        if job.pop("kubernetes_sd_configs", None):
            job["file_sd_configs"] = [{"files": ["targets.json"]}]
    (tmp_path / "targets.json").write_text("[]")
    text = yaml.safe_dump(config)
    for path in (
        "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt",
        "/var/run/secrets/kubernetes.io/serviceaccount/token",
    ):
        text = text.replace(path, str(tmp_path / "targets.json"))
    text = text.replace("/etc/monitoring/secrets/remote-write-token", str(tmp_path / "targets.json"))
    text = text.replace("/etc/prometheus/rules/", "rules/")
    (tmp_path / "rules").mkdir()
    for name, rules in only(manifests, "ConfigMap", "prometheus-rules")["data"].items():
        (tmp_path / "rules" / name).write_text(rules)
    (tmp_path / "prometheus.yml").write_text(text)
    command = ["promtool", "check", "config", *(["--agent"] if "agent" in flavour else []), "prometheus.yml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("amtool") is None, reason="Debian package prometheus-alertmanager")
def test_amtool_takes_the_routes_and_sends_alerts_where_they_belong(chain_138, tmp_path):
    manifests = manifests_of(chain_138, "everything")
    config = yaml.safe_load(only(manifests, "ConfigMap", "alertmanager-config")["data"]["alertmanager.yml"])
    (hook,) = config["receivers"][0]["webhook_configs"]
    assert hook.pop("url_file") == "/etc/monitoring/secrets/alert-webhook"
    hook["url"] = "http://127.0.0.1:1/"  # Debian's Alertmanager is older than url_file
    (tmp_path / "a.yml").write_text(yaml.safe_dump(config))
    done = subprocess.run(["amtool", "check-config", "a.yml"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    route = ["amtool", "config", "routes", "test", "--config.file=a.yml", "severity=critical", "alertname=X"]
    assert subprocess.run(route, cwd=tmp_path, capture_output=True, text=True).stdout.strip() == "webhook"


def test_an_agent_evaluates_nothing_and_sends_on(chain_138):
    manifests = manifests_of(chain_138, "agent")
    config = yaml.safe_load(only(manifests, "ConfigMap", "prometheus-config")["data"]["prometheus.yml"])
    assert "rule_files" not in config
    assert "alerting" not in config
    assert config["remote_write"][0]["authorization"]["credentials_file"].endswith("remote-write-token")
    (container,) = only(manifests, "StatefulSet", "prometheus")["spec"]["template"]["spec"]["containers"]
    assert "--agent" in container["args"]
    assert not any("retention" in arg for arg in container["args"])
    (old,) = only(manifests_of(chain_138, "old agent"), "StatefulSet", "prometheus")["spec"]["template"][
        "spec"
    ]["containers"]
    assert "--enable-feature=agent" in old["args"]


def test_ports_that_are_scraped_are_open_in_the_policies(chain_138):
    manifests = manifests_of(chain_138, "everything")
    egress = {
        port["port"]
        for rule in only(manifests, "NetworkPolicy", "prometheus")["spec"]["egress"]
        for port in rule["ports"]
    }
    assert egress >= {9545, 9100, 8080, 9093, 10250, 443, 8443}
    for kind, name in (("DaemonSet", "node-exporter"), ("Deployment", "kube-state-metrics")):
        pod = only(manifests, kind, name)["spec"]["template"]
        (port,) = pod["spec"]["containers"][0]["ports"]
        assert port["name"] == "metrics"
        assert port["containerPort"] in egress
        assert pod["metadata"]["labels"]["app.kubernetes.io/name"] == name


def test_no_secret_is_rendered(chain_138):
    for flavour in FLAVOURS:
        text = json.dumps(manifests_of(chain_138, flavour))
        assert "Secret" not in {m["kind"] for m in manifests_of(chain_138, flavour)}
        assert not any(value in text for value in SECRETS.values())
    made = credentials(chain_138, chain_138.regions[0], {"alert-webhook": "x"})
    assert made["data"] == {"alert-webhook": "eA=="}


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("monitoring: {collector: agent}", "5", "an agent keeps nothing"),
        (
            "monitoring: {alert_webhook: https://pager.example/very-secret}",
            "5",
            "name of its environment variable",
        ),
        ("monitoring: {remote_write: {url: central}}", "5", "should match pattern"),
        ("monitoring: {scrape_interval: 5}", "5", "unknown key `monitoring.scrape_interval`"),
    ],
)
def test_a_wrong_wish_is_told_with_its_place_and_no_secret(text, place, message):
    document = f"name: net\nnetwork: {{chain_id: 9}}\nregions: [northeurope]\n\n{text}\n"
    with pytest.raises(FleetError, match=message) as refusal:
        load_fleet("fleet.yaml", lambda _: document, {})
    assert f"fleet.yaml:{place}:" in str(refusal.value)
    assert "very-secret" not in str(refusal.value)


def test_what_is_referred_to_is_applied_and_what_is_missing_is_named(tmp_path):
    async def scenario():
        async with EmulatedRegions(
            tmp_path, Authority(tmp_path), names=("alpha",), monitoring=FLAVOURS["everything"]
        ) as world:
            await world.run(KubernetesDriver(), "kubernetes/base/alpha")
            with pytest.raises(TaskFailed) as refusal:
                await MonitoringDriver().change(world.attempt("monitoring/install/alpha"))
            assert refusal.value.error_class is ErrorClass.CONFIGURATION
            assert "REMOTE_TOKEN" in str(refusal.value)
            assert "monitoring-credentials" in str(refusal.value)
            world.environ |= SECRETS
            outcome = await world.run(MonitoringDriver(), "monitoring/install/alpha")
            assert outcome.changed
            cluster = await world.cluster("alpha")
            secret = await cluster.get("Secret", "monitoring-credentials", "monitoring")
            assert set(secret["data"]) == {"remote-write-token", "alert-webhook"}
            for kind, name in (("StatefulSet", "alertmanager"), ("Deployment", "kube-state-metrics")):
                live = await cluster.get(kind, name, "monitoring")
                assert live["status"]["readyReplicas"] == 1
            daemons = await cluster.get("DaemonSet", "node-exporter", "monitoring")
            assert daemons["status"]["numberReady"] == 2, "one per node"
            assert (await MonitoringDriver().observe(world.attempt("monitoring/install/alpha"))) is not None
            # The Secret stays when the variables are gone: who deploys next need not know them.
            world.environ.clear()
            assert (await MonitoringDriver().observe(world.attempt("monitoring/install/alpha"))) is not None
            assert not (await MonitoringDriver().change(world.attempt("monitoring/install/alpha"))).changed
            assert (await MonitoringDriver().undo(world.attempt("monitoring/install/alpha"))).changed
            assert await cluster.get("ClusterRole", "chainfleet-monitoring") is None
            logged = "\n".join(world.logged)
            assert not any(value in logged for value in SECRETS.values())

    asyncio.run(scenario())

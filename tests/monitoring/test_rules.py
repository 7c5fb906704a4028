"""Every rule checked and tested by promtool: it fires in time, not too early, and not when all is well."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest
import yaml
from rule_scenarios import BASE, HEALTHY, SCENARIOS, SICK, STEP_S, T0_S

from chainfleet.drivers.monitoring.manifests import central_files
from chainfleet.drivers.monitoring.rules import network_alerts, region_alerts, rule_files, rules
from chainfleet.drivers.monitoring.thresholds import Thresholds
from chainfleet.model.fleet import Fleet, Network, Region
from chainfleet.model.fleet_monitoring import RemoteWrite

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="Debian package prometheus")


@pytest.fixture(scope="module")
def watched(chain_138):
    """The example with everything switched on."""
    more = {
        "alert_webhook": "${ALERT_WEBHOOK}",
        "remote_write": RemoteWrite(url="https://central.example/api/v1/write", token="${TOKEN}"),
        "kube_state_image": "kube-state-metrics:v2.17.0",
    }
    return chain_138.model_copy(update={"monitoring": chain_138.monitoring.model_copy(update=more)})


@pytest.fixture(scope="module")
def folder(watched, tmp_path_factory):
    """Rule files of one region and of the central Prometheus."""
    folder = tmp_path_factory.mktemp("rules")
    central = rule_files(watched)
    files = {
        "own.yml": rules(watched, [watched.region("northeurope")]),
        "network.yml": central["network.yml"],
        "deployment.yml": central["deployment.yml"],
    }
    for name, content in files.items():
        (folder / name).write_text(yaml.safe_dump(content))
    return folder


def all_alerts(fleet):
    return (*region_alerts(fleet), *network_alerts(fleet))


def promtool(*arguments, cwd=None):
    return subprocess.run(["promtool", *arguments], cwd=cwd, capture_output=True, text=True, timeout=120)


@needs_promtool
def test_everything_rendered_passes_promtool(watched, chain_138, tmp_path):
    for number, fleet in enumerate((watched, chain_138)):
        for name, text in central_files(fleet).items():
            path = tmp_path / str(number) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        done = promtool("check", "config", "prometheus.yml", cwd=tmp_path / str(number))
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stdout.count("rules found") == 3


@needs_promtool
def test_promtool_would_notice(watched, tmp_path):
    broken = rules(watched, watched.regions[:1])
    broken["groups"][1]["rules"][0]["expr"] += " >"
    (tmp_path / "r.yml").write_text(yaml.safe_dump(broken))
    assert promtool("check", "rules", "r.yml", cwd=tmp_path).returncode != 0


def test_every_alert_has_a_scenario(watched):
    assert {alert.name for alert in all_alerts(watched)} == {*SCENARIOS, "Watchdog"}
    assert len({alert.name for alert in all_alerts(watched)}) == len(all_alerts(watched))


@needs_promtool
def test_every_alert_fires_in_time_and_not_before(folder):
    done = run_units(folder, [unit(name, scenario) for name, scenario in SCENARIOS.items()])
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_no_alert_fires_when_all_is_well(folder, watched):
    total = (HEALTHY + SICK) * STEP_S
    checks = [expect(at, FIRING, 1) for at in range(0, total, 600)]
    checks += [
        expect(total, f'{ONE}{{alertname="{a.name}"}}) or vector(0)', 0)
        for a in all_alerts(watched)
        if a.name != "Watchdog"
    ]
    done = run_units(
        folder, [{"interval": f"{STEP_S}s", "input_series": series({}), "promql_expr_test": checks}]
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
@pytest.mark.parametrize("name", ["ChainStalled", "NetworkQuorumThin", "OracleStale"])
def test_the_unit_tests_would_notice_a_wrong_threshold(folder, tmp_path, name):
    for path in folder.glob("*.yml"):
        text = re.sub(r"region:head_age_seconds > 60", "region:head_age_seconds > 6000", path.read_text())
        text = text.replace("margin_regions <= 2", "margin_regions <= 1").replace(
            "age_seconds > 4200", "age_seconds > 4500"
        )
        (tmp_path / path.name).write_text(text)
    assert run_units(tmp_path, [unit(name, SCENARIOS[name])]).returncode != 0


ONE = "count(ALERTS"
FIRING = 'count(ALERTS{alertstate="firing"}) or vector(0)'


def firing(name):
    return f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) or vector(0)'


def expect(at_s, expression, value):
    return {"eval_time": f"{at_s:g}s", "expr": expression, "exp_samples": [{"labels": "{}", "value": value}]}


def unit(name, scenario):
    checks = [expect(T0_S, firing(name), 0), expect(T0_S + scenario.within_s, firing(name), scenario.firing)]
    if scenario.not_before_s:
        checks.append(expect(T0_S + scenario.not_before_s, firing(name), 0))
    return {
        "name": name,
        "interval": f"{STEP_S}s",
        "input_series": series(scenario.sick),
        "promql_expr_test": checks,
    }


def series(sick):
    merged = {**BASE, **sick}
    return [{"series": name, "values": values} for name, values in merged.items() if values is not None]


def run_units(folder, units):
    file = {
        "rule_files": sorted(p.name for p in folder.glob("*.yml") if p.name != "units.yml"),
        "evaluation_interval": f"{STEP_S}s",
        "tests": [{k: v for k, v in one.items() if k != "name"} for one in units],
    }
    (folder / "units.yml").write_text(yaml.safe_dump(file, sort_keys=False))
    return promtool("test", "rules", "units.yml", cwd=folder)


def test_thresholds_follow_the_fleet(chain_138):
    small = Fleet(
        name="small",
        network=Network(chain_id=1, block_period_seconds=2, request_timeout_seconds=4),
        regions=tuple(Region(name=f"region-{c}", validators=1) for c in "abcd"),
    )
    expressions = [{a.name: a.expression for a in all_alerts(fleet)} for fleet in (chain_138, small)]
    for name, large, little in (
        ("ChainStalled", "region:head_age_seconds > 60", "region:head_age_seconds > 24"),
        ("QuorumThin", "max(region:quorum_margin) <= 4", "max(region:quorum_margin) <= 2"),
        ("PeersLow", "ethereum_peer_count < 40", "ethereum_peer_count < 3"),
        ("ValidatorSilent", "validator:unseen_blocks > 96", "validator:unseen_blocks > 8"),
    ):
        assert (expressions[0][name], expressions[1][name]) == (large, little)
    limits = Thresholds.of(chain_138)
    assert (limits.quorum, limits.late_share, limits.window_s) == (32, 0.083, 120)
    assert limits.oracle_stale_s == 4200
    empty = chain_138.network.model_copy(update={"empty_block_period_seconds": 60})
    assert Thresholds.of(chain_138.model_copy(update={"network": empty})).stalled_s == 720


def test_a_summary_has_the_numbers_and_a_runbook(watched):
    for files in rule_files(watched).values():
        for group in files["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    anchor = rule["annotations"]["runbook_url"].partition("#")[2]
                    assert anchor == rule["alert"].lower()
                    assert rule["labels"]["severity"] in ("critical", "warning", "none")
                    assert "{{{" not in rule["annotations"]["summary"]

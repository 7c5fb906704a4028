"""Environments through the API: made, changed by two people, cloned, locked, put away; and all that is wrong with documents."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from running_portal import DEV, Running
from test_guards import problem

from chainfleet.ledger.database import Postgres
from chainfleet.ledger.outside import Outside
from chainfleet.ledger.store import Ledger
from chainfleet.model.errors import LedgerAway
from chainfleet.model.fleet_file import new_fleet
from chainfleet.portal.environments import changing
from chainfleet.portal.environments.desk import Desk
from chainfleet.portal.models.access import Role
from chainfleet.runtime.environments import note_revision, read_environment
from chainfleet.runtime.targets import Target, TargetOptions


def staging(**changes: Any) -> dict[str, Any]:
    return {
        "name": "staging",
        "document": new_fleet("staging", 1139, 4),
        "target": {"emulated": True},
        **changes,
    }


def test_an_environment_is_made_from_yaml_and_is_in_the_ledger(admin: httpx2.Client, home: Path) -> None:
    response = admin.post("/environments", json=staging(note="for the new team"))
    assert response.status_code == 201, response.text
    made = response.json()
    assert response.headers["location"] == "/api/v1/environments/staging"
    assert response.headers["etag"] == made["etag"]
    assert made["fleet"]["validators"] == 8
    assert (
        made["command"]
        == f"chainfleet deploy {home}/staging/fleet.yaml --state {home}/staging --emulated --yes"
    )
    ledger = Outside(home / "staging" / "ledger.db")
    revision = read_environment(ledger).revision
    ledger.close()
    assert revision is not None
    assert (revision.by, revision.note, revision.number) == ("admin", "for the new team", 1)
    names = [item["name"] for item in admin.get("/environments").json()["items"]]
    assert names == ["dev", "staging"]


def test_new_environments_keep_their_ledgers_in_the_database_that_the_portal_was_given(
    postgresql: Any, start: Callable[..., Running], home: Path
) -> None:
    admin = start(database=postgresql.url).client()
    response = admin.post("/environments", json=staging(name="stored"))
    assert response.status_code == 201, response.text
    assert not (home / "stored" / "ledger.db").exists()
    ledger = Outside(Postgres(postgresql.url, "stored"))
    revision = read_environment(ledger).revision
    ledger.close()
    assert revision is not None
    assert revision.by == "admin"
    # A second portal, which was not told, finds it by what the state folder remembers.
    other = start().client()
    assert [item["name"] for item in other.get("/environments").json()["items"]] == ["dev", "stored"]
    assert other.get("/environments/stored").json()["fleet"]["validators"] == 8


def test_a_form_is_the_same_as_its_yaml(admin: httpx2.Client) -> None:
    form = yaml.safe_load(new_fleet("staging", 1139, 4))
    made = admin.post("/environments", json={"name": "staging", "form": form}).json()
    checked = admin.post("/fleets/check", json={"document": made["document"]}).json()
    assert checked["ok"]
    assert checked["form"] == made["form"] == form


def test_what_the_command_line_deployed_is_there_too(admin: httpx2.Client) -> None:
    found = admin.get("/environments/dev").json()
    assert found["document"] == DEV
    assert found["run"]["verdict"] == "degraded"
    assert found["target"]["emulated"] is True
    assert "retry" in found["run"]["allowed"]


def test_settings_that_another_version_wrote_take_no_page_away(
    start: Callable[..., Running], home: Path
) -> None:
    ledger = Ledger(home / "dev" / "ledger.db", "dev")
    note_revision(ledger, DEV, "rev", {"emulated": True, "time_scale": 0.0}, by="ada")
    ledger.close()
    found = start().client().get("/environments")
    assert found.status_code == 200, found.text
    assert found.json()["items"][0]["target"] == {
        "emulated": True,
        "time_scale": None,
        "faults": None,
        "allow_mainnet": False,
    }


def test_where_a_fleet_was_deployed_to_counts_and_not_the_words_of_the_last_command() -> None:
    again = TargetOptions().settings(Target({}, 60.0, emulated=True))
    assert (again["emulated"], again["time_scale"]) == (True, None)
    assert TargetOptions().settings(Target({}, 300.0, emulated=True))["time_scale"] == 300.0
    assert TargetOptions(emulated=True).settings(Target({}))["emulated"] is False


def test_of_two_who_change_at_once_one_is_told(portal: Running) -> None:
    ada, bob = portal.client(name="ada"), portal.client(name="bob")
    etag = ada.get("/environments/dev").headers["etag"]
    problem(ada.put("/environments/dev", json={"document": DEV}), 428, "if-match-missing")
    theirs = DEV.replace("block_period_seconds: 5", "block_period_seconds: 4")
    first = ada.put("/environments/dev", json={"document": theirs}, headers={"If-Match": etag})
    assert first.is_success, first.text
    assert first.json()["revision"] == 2
    mine = DEV.replace("request_timeout_seconds: 10", "request_timeout_seconds: 12")
    refused = problem(
        bob.put("/environments/dev", json={"document": mine}, headers={"If-Match": etag}),
        412,
        "changed-meanwhile",
    )
    assert refused["current"] == first.headers["etag"]
    both = theirs.replace("request_timeout_seconds: 10", "request_timeout_seconds: 12")
    merged = bob.put(
        "/environments/dev", json={"document": both}, headers={"If-Match": str(refused["current"])}
    )
    assert merged.json()["revision"] == 3
    changes = bob.get("/environments/dev/revisions/1/diff?to=3").json()
    assert [change["path"] for change in changes["changes"] if change["path"].startswith("network")] == [
        "network.block_period_seconds",
        "network.request_timeout_seconds",
    ]
    assert "\n-  block_period_seconds: 5\n" in changes["text"]
    authors = [(one["number"], one["by"]) for one in bob.get("/environments/dev/revisions").json()["items"]]
    assert authors == [(3, "bob"), (2, "ada"), (1, "ada")]


def test_of_two_changes_that_meet_exactly_one_is_made(
    portal: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = portal.client()
    etag = admin.get("/environments/dev").headers["etag"]
    # Both have seen that nobody changed anything before either writes.
    met = threading.Barrier(2, timeout=60)

    def make_plan(*_: object) -> None:
        met.wait()

    monkeypatch.setattr(changing, "make_plan", make_plan)

    def change(number: int) -> int:
        document = DEV.replace("block_period_seconds: 5", f"block_period_seconds: {number}")
        body = {"document": document}
        return portal.client().put("/environments/dev", json=body, headers={"If-Match": etag}).status_code

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(change, (10, 11))) == [200, 412]
    assert admin.get("/environments/dev").json()["revision"] == 2


def test_what_has_not_changed_is_not_sent_again(admin: httpx2.Client) -> None:
    etag = admin.get("/environments/dev").headers["etag"]
    response = admin.get("/environments/dev", headers={"If-None-Match": f'"other", {etag}'})
    assert (response.status_code, response.content) == (304, b"")


@pytest.mark.parametrize(
    ("document", "line", "column", "words"),
    [
        ("name: dev\nnetwork: [", 3, 1, "YAML"),
        (DEV.replace("chain_id: 1138\n  val", "chain_idd: 1138\n  val"), 5, 3, "chain_id"),
        (DEV.replace("  - northeurope", "  - eastus"), 11, 5, "US region"),
        (DEV.replace("  - northeurope", "  - northeurop"), 11, 5, "northeurope"),
        (DEV + "\nname: again\n", 24, 1, "twice"),
        ("include: [/etc/passwd]\n" + DEV, None, None, "stand alone"),
        (
            DEV.replace("      chain_id: 1138", "      chain_id: 1138\n      deployer: '0x12'"),
            20,
            7,
            "reference",
        ),
    ],
)
def test_wrong_yaml_is_told_with_its_place_and_nothing_changes(
    admin: httpx2.Client, document: str, line: int | None, column: int | None, words: str
) -> None:
    etag = admin.get("/environments/dev").headers["etag"]
    response = admin.put("/environments/dev", json={"document": document}, headers={"If-Match": etag})
    fault = problem(response, 422, "invalid-fleet")["errors"][0]  # type: ignore[index]
    assert (fault["line"], fault["column"], fault["pointer"]) == (line, column, "/document"), fault
    assert words in str(response.json())
    checked = admin.post("/fleets/check", json={"document": document}).json()
    assert not checked["ok"]
    assert (checked["errors"][0]["line"], checked["errors"][0]["column"]) == (line, column)
    assert admin.get("/environments/dev").headers["etag"] == etag


def test_the_fleet_keeps_its_name(admin: httpx2.Client) -> None:
    body = {"document": new_fleet("other", 1138, 4)}
    problem(admin.put("/environments/dev", json=body, headers={"If-Match": "*"}), 422, "other-fleet")


def test_a_clone_goes_to_other_regions_and_keeps_settings_of_those_it_shares(admin: httpx2.Client) -> None:
    regions = ["westeurope", "japaneast", "koreacentral", "uaenorth"]
    body = {"name": "staging", "regions": regions, "target": {"emulated": True, "time_scale": 120}}
    made = admin.post("/environments/dev/clone", json=body)
    assert made.status_code == 201, made.text
    assert [region["name"] for region in made.json()["fleet"]["regions"]] == regions
    assert made.json()["fleet"]["chains"] == ["staging"]
    assert made.json()["target"]["time_scale"] == 120
    problem(admin.post("/environments/dev/clone", json=body), 409, "name-taken")
    body = {"name": "other", "regions": ["eastus"] * 1}
    problem(admin.post("/environments/dev/clone", json=body), 422, "invalid-fleet")


def test_a_lock_stops_changes_and_runs_until_it_is_taken_away(portal: Running) -> None:
    admin, operator = portal.client(), portal.client(Role.OPERATOR)
    locked = operator.post("/environments/dev/lock", json={"reason": "change freeze"}).json()
    assert (locked["lock"]["by"], locked["lock"]["reason"]) == ("operator", "change freeze")
    assert locked["allowed"] == ["clone", "unlock", "rehearse"]
    problem(admin.put("/environments/dev", json={"note": "x"}, headers={"If-Match": "*"}), 409, "locked")
    problem(admin.post("/environments/dev/runs", json={"kind": "deploy"}), 409, "locked")
    problem(admin.post("/environments/dev/archive"), 409, "locked")
    unlocked = admin.post("/environments/dev/unlock").json()
    assert unlocked["lock"] is None


def test_what_is_put_away_is_not_listed_and_comes_back(admin: httpx2.Client) -> None:
    assert admin.post("/environments/dev/archive").json()["archived"]
    assert admin.get("/environments").json()["items"] == []
    assert [item["name"] for item in admin.get("/environments?archived=true").json()["items"]] == ["dev"]
    problem(admin.post("/environments/dev/runs", json={"kind": "verify"}), 409, "archived")
    assert not admin.post("/environments/dev/restore").json()["archived"]


def test_the_same_key_does_a_thing_once(portal: Running) -> None:
    admin = portal.client()
    headers = {"Idempotency-Key": "make-staging-1"}
    first = admin.post("/environments", json=staging(), headers=headers)
    again = admin.post("/environments", json=staging(), headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]
    other = admin.post("/environments", json=staging(note="another"), headers=headers)
    problem(other, 422, "key-used")
    # Of another caller, it is another key.
    problem(portal.client().post("/environments", json=staging(), headers=headers), 409, "name-taken")


def test_a_key_whose_request_failed_may_be_used_again(admin: httpx2.Client) -> None:
    headers = {"Idempotency-Key": "make-staging-2"}
    problem(admin.post("/environments", json=staging(document="a: ["), headers=headers), 422, "invalid-fleet")
    assert admin.post("/environments", json=staging(), headers=headers).status_code == 201


def test_cursors_walk_a_list_and_fit_no_other(admin: httpx2.Client) -> None:
    for index in range(5):
        assert admin.post("/environments/dev/clone", json={"name": f"copy-{index}"}).is_success
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = admin.get(
            "/environments", params={"limit": 2, **({"cursor": cursor} if cursor else {})}
        ).json()
        seen += [item["name"] for item in page["items"]]
        assert page["total"] == 6
        cursor = page["next"]
    assert seen == ["copy-0", "copy-1", "copy-2", "copy-3", "copy-4", "dev"]
    cursor = admin.get("/environments?limit=2").json()["next"]
    problem(admin.get("/tokens", params={"cursor": cursor}), 400, "foreign-cursor")
    problem(admin.get("/environments", params={"cursor": cursor, "query": "copy"}), 400, "foreign-cursor")
    problem(admin.get("/environments", params={"cursor": "bm8"}), 400, "foreign-cursor")


def test_plan_and_rehearsal_change_nothing(admin: httpx2.Client) -> None:
    head = admin.get("/environments/dev").json()["head"]
    plan = admin.post(
        "/environments/dev/plan", json={"mode": "max", "waves": "2,2", "ceilings": {"besu": 3}}
    ).json()
    assert plan["mode"] == "max"
    assert plan["waves"] == [["northeurope", "westeurope"], ["uksouth", "francecentral"]]
    assert next(limit for limit in plan["limits"] if limit["name"] == "besu/slots")["capacity"] == 3
    layers = {node["id"]: node["layer"] for node in plan["nodes"]}
    assert all(layers[node["id"]] > layers[need] for node in plan["nodes"] for need in node["needs"])
    assert "--mode max --waves 2,2 --ceiling besu=3" in plan["command"]
    rehearsed = admin.post("/environments/dev/rehearsals", json={"seed": 1, "runs": 3}).json()
    assert rehearsed["lower_bound_s"] <= rehearsed["p50_s"] <= rehearsed["p90_s"]
    assert rehearsed["critical_path"][-1]["end"] > 0
    assert rehearsed["forecast"]["runs"] == 3
    assert " --runs 3 --seed 1" in rehearsed["command"]
    assert admin.get("/environments/dev").json()["head"] == head
    problem(admin.post("/environments/dev/plan", json={"waves": "9,9"}), 422, "invalid-input")
    problem(admin.post("/environments/dev/plan", json={"only": ["--help"]}), 422, "invalid-input")


def test_a_ledger_that_was_made_anew_is_read_anew(admin: httpx2.Client, home: Path) -> None:
    import shutil

    assert admin.get("/environments/dev/runs").json()["total"] == 1
    shutil.rmtree(home / "dev")
    problem(admin.get("/environments/dev"), 404, "unknown-environment")
    body = {"name": "dev", "document": DEV}
    assert admin.post("/environments", json=body).status_code == 201
    assert admin.get("/environments/dev/runs").json()["total"] == 0


def test_a_folder_that_says_its_ledger_s_place_no_longer_hides_nothing_of_the_others(
    admin: httpx2.Client, home: Path
) -> None:
    (home / "torn").mkdir()
    (home / "torn" / "ledger.json").write_text("")
    problem(admin.get("/environments/torn"), 409, "ledger-unusable")
    dev, torn = admin.get("/environments").json()["items"]
    assert (dev["name"], dev["ledger_problem"]) == ("dev", None)
    assert (torn["name"], torn["ledger_problem"]["kind"]) == ("torn", "ledger-unusable")
    assert admin.get("/environments", params={"archived": True}).json()["items"] == []


def test_an_environment_whose_database_is_away_takes_no_page_of_the_others_away(
    admin: httpx2.Client, home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert admin.post("/environments/dev/clone", json={"name": "away"}).is_success
    reading = Desk.environment

    def read(desk: Desk) -> Any:
        if desk.name == "away":
            raise LedgerAway("can't reach the ledger: timeout expired")
        return reading(desk)

    monkeypatch.setattr(Desk, "environment", read)
    for _ in range(2):
        away, dev = admin.get("/environments").json()["items"]
        assert (away["name"], away["ledger_problem"]["kind"]) == ("away", "ledger-away")
        assert (dev["name"], dev["ledger_problem"]) == ("dev", None)
    assert {item["environment"] for item in admin.get("/runs").json()["items"]} == {"dev"}
    assert admin.get("/regions").is_success
    problem(admin.get("/environments/away"), 503, "ledger-away")
    told = [record for record in caplog.records if "environment away can't be read" in record.message]
    assert len(told) == 1, "told when it is new, not at every request"

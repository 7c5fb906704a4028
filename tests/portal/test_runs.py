"""Runs as the API tells them, against the ledger they are read from."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import httpx2
from running_portal import BROKEN, RUN, Running
from test_guards import problem

from chainfleet.ledger.outside import Outside
from chainfleet.runtime.operations import read_run
from chainfleet.runtime.state import StateFolder

ONE = f"/environments/dev/runs/{RUN}"


def test_a_run_is_what_the_ledger_says(admin: httpx2.Client, home: Path) -> None:
    view = read_run(StateFolder(home / "dev"), "dev")
    run = admin.get(ONE).json()
    assert run["tasks"] == dict(Counter(state.value for state in view.states.values()))
    assert (run["verdict"], run["state"], run["kind"]) == ("degraded", "finished", "deploy")
    rows = {row["region"]: row["cells"] for row in run["rows"]}
    assert rows["uksouth"]["infrastructure"]["state"] == "failed"
    assert rows["uksouth"]["infrastructure"]["reason"] == "no such size of machine"
    assert rows["northeurope"]["infrastructure"]["state"] == "succeeded"
    assert [cluster["tasks"] for cluster in run["clusters"]] == [[BROKEN]]
    assert run["clusters"][0]["retryable"]
    assert run["gates"][0]["evidence"] == "4 of 4 validators are up"
    assert run["sentence"].startswith("3 of 4 regions done, 1 failed by 1 cause; degraded after")
    assert run["allowed"] == ["retry"]
    assert run["waves"] == [["northeurope", "westeurope"], ["uksouth", "francecentral"]]


def test_a_run_can_be_seen_at_any_sequence_number(admin: httpx2.Client, home: Path) -> None:
    ledger = Outside(home / "dev" / "ledger.db")
    records = ledger.records(run=RUN)
    ledger.close()
    now = admin.get(ONE).json()
    assert admin.get(ONE, params={"at": records[-1].seq}).json()["tasks"] == now["tasks"]
    first = admin.get(ONE, params={"at": records[0].seq}).json()
    assert first["tasks"] == {"waiting": sum(now["tasks"].values())}
    over = [admin.get(ONE, params={"at": r.seq}).json()["tasks"].get("succeeded", 0) for r in records[::40]]
    assert over == sorted(over)
    problem(admin.get(ONE, params={"at": 1}), 404, "unknown-run")


def test_tasks_spans_and_plan_agree(admin: httpx2.Client) -> None:
    plan, spans = admin.get(f"{ONE}/plan").json(), admin.get(f"{ONE}/spans").json()
    tasks = admin.get(f"{ONE}/tasks", params={"limit": 500}).json()
    assert [node["id"] for node in plan["nodes"]] == [task["id"] for task in tasks["items"]]
    assert Counter(span["task"] for span in spans["spans"]) == Counter(
        {task["id"]: task["attempts"] for task in tasks["items"] if task["attempts"]}
    )
    critical = [span["task"] for span in spans["spans"] if span["critical"]]
    assert sorted(critical) == sorted(spans["critical"])
    ends = {span["task"]: span["end"] for span in spans["spans"]}
    path = [ends[task] for task in spans["critical"]]
    assert path == sorted(path)
    failed = admin.get(f"{ONE}/tasks", params={"state": "failed"}).json()["items"]
    assert [task["id"] for task in failed] == [BROKEN]
    region = admin.get(f"{ONE}/tasks", params={"region": "uksouth", "phase": "besu"}).json()["items"]
    assert {task["state"] for task in region} == {"skipped"}


def test_events_are_the_ledgers_records_page_by_page(admin: httpx2.Client, home: Path) -> None:
    ledger = Outside(home / "dev" / "ledger.db")
    records = ledger.records(run=RUN)
    ledger.close()
    seen, since = [], 0
    while True:
        page = admin.get(f"{ONE}/events", params={"since": since, "limit": 7}).json()
        seen += page["events"]
        since = page["next"]
        if since >= page["head"]:
            break
    assert [event["seq"] for event in seen] == [record.seq for record in records]
    plan = next(event for event in seen if event["event"]["type"] == "Plan")
    assert "tasks" in plan["event"]
    assert isinstance(plan["event"]["tasks"], int)
    only = admin.get(f"{ONE}/events", params={"type": "AttemptFailed", "limit": 5000}).json()["events"]
    assert {event["event"]["task"] for event in only} == {BROKEN}
    regional = admin.get(f"{ONE}/events", params={"region": "uksouth", "limit": 5000}).json()["events"]
    assert regional
    assert all("uksouth" in event["subject"] for event in regional)


def test_logs_are_read_in_pages_searched_and_cleaned_of_progress(admin: httpx2.Client, home: Path) -> None:
    log = f"{ONE}/logs"
    page = admin.get(log, params={"task": BROKEN}).json()
    texts = [line["text"] for line in page["lines"]]
    assert texts[0].endswith(f"attempt 1 of {BROKEN}")
    assert texts[1] == "done"
    assert "no such size of machine" in texts[2]
    assert page["over"]
    path = StateFolder(home / "dev").log(RUN, BROKEN, 1)
    path.write_text("".join(f"line {index}\n" for index in range(5000)) + "unfinished")
    seen, cursor = [], None
    while True:
        params = {"task": BROKEN, "limit": 2000, **({"cursor": cursor} if cursor else {})}
        page = admin.get(log, params=params).json()
        if not page["lines"]:
            break
        seen += page["lines"]
        cursor = page["next"]
    assert [line["text"] for line in seen] == [f"line {index}" for index in range(5000)]
    assert [line["number"] for line in seen] == list(range(1, 5001))
    with path.open("a") as stream:
        stream.write(" no more\n")
    more = admin.get(log, params={"task": BROKEN, "cursor": cursor}).json()["lines"]
    assert [line["text"] for line in more] == ["unfinished no more"]
    found = admin.get(log, params={"task": BROKEN, "query": "LINE 499"}).json()["lines"]
    assert [line["text"] for line in found] == ["line 499", *(f"line 499{index}" for index in range(10))]
    tail = admin.get(log, params={"task": BROKEN, "tail": True, "limit": 2000}).json()["lines"]
    assert tail[-1]["text"] == "unfinished no more"
    assert tail[-1]["number"] == 5001
    raw = admin.get(f"{log}/raw", params={"task": BROKEN})
    assert raw.text == path.read_text()
    problem(admin.get(log, params={"task": "no/such/task"}), 404, "unknown-task")
    problem(admin.get(log, params={"task": BROKEN, "attempt": 9}), 404, "unknown-log")


def test_export_holds_everything_the_page_needs(admin: httpx2.Client) -> None:
    export = admin.get(f"{ONE}/export").json()
    assert export["run"]["run"] == RUN
    assert len(export["plan"]["nodes"]) == sum(export["run"]["tasks"].values())
    assert export["events"][-1]["seq"] == export["run"]["seq"]


def test_compare_puts_phases_side_by_side(admin: httpx2.Client) -> None:
    both = admin.get(f"{ONE}/compare", params={"to": RUN}).json()
    assert both["only_a"] == both["only_b"] == []
    assert all(row["a_s"] == row["b_s"] for row in both["phases"])
    assert {row["region"] for row in both["phases"]} == {
        None,
        "northeurope",
        "westeurope",
        "uksouth",
        "francecentral",
    }


def test_unknown_runs_and_actions_that_do_not_fit_are_problems(portal: Running) -> None:
    admin = portal.client()
    problem(admin.get("/environments/dev/runs/20990101-000000-deploy"), 404, "unknown-run")
    problem(admin.get("/environments/nowhere/runs"), 404, "unknown-environment")
    for action in ("pause", "resume", "cancel", "approve", "skip"):
        problem(admin.post(f"{ONE}/actions/{action}", json={}), 409, "not-now")
    assert admin.post(f"{ONE}/actions/explode", json={}).status_code == 422
    problem(
        admin.post("/environments/dev/runs", json={"kind": "destroy", "confirm": "prod"}),
        422,
        "not-confirmed",
    )
    problem(
        admin.post("/environments/dev/runs", json={"kind": "deploy", "only": ["nothing-like-this"]}),
        422,
        "invalid-input",
    )
    runs = admin.get("/environments/dev/runs").json()
    assert runs["total"] == 1


def test_regions_tell_their_past_and_their_clock(admin: httpx2.Client) -> None:
    region = admin.get("/regions/uksouth").json()
    assert region["time_zone"] == "Europe/London"
    assert region["environments"] == ["dev"]
    assert region["history"][0]["errors"] == ["no such size of machine"]
    azure = admin.get("/regions", params={"cloud": "azure"}).json()["items"]
    assert all(item["time_zone"] for item in azure)
    assert sum(item["latitude"] is not None for item in azure) > 45
    problem(admin.get("/regions/atlantis"), 404, "unknown-region")


def test_limits_are_the_coordinators_last_words(admin: httpx2.Client) -> None:
    limits = admin.get("/environments/dev/limits").json()
    assert limits["run"] == RUN
    if limits["outlook"] is not None:
        assert {limit["name"] for limit in limits["outlook"]["limits"]} >= {
            "besu/slots",
            "infrastructure/slots",
        }


def test_monitoring_of_what_does_not_run_says_so(admin: httpx2.Client) -> None:
    sample = admin.get("/environments/dev/monitoring").json()
    assert sample["state"] == "never"
    history = admin.get("/environments/dev/monitoring/history").json()
    assert history["points"] == []

"""What the API server promises: tokens, versions, selectors, pages, watches, patches, ownership."""

from __future__ import annotations

import json
import threading
from typing import Any

MERGE = {"content-type": "application/merge-patch+json"}
STRATEGIC = {"content-type": "application/strategic-merge-patch+json"}
JSON_PATCH = {"content-type": "application/json-patch+json"}


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(name: str, image: str = "nginx:1.27", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "containers": [{"name": "main", "image": image, "env": [{"name": "A", "value": "1"}]}]
                },
            },
            **spec,
        },
    }


def test_without_a_token_it_is_401_and_with_a_wrong_one_403(served: Any) -> None:
    assert served.call("GET", "/api/v1/nodes", authorization="").status_code == 401
    answer = served.call("GET", "/api/v1/nodes", authorization="Bearer wrong")
    assert (answer.status_code, answer.json()["reason"]) == (403, "Forbidden")


def test_what_is_not_there_is_a_status_object(served: Any) -> None:
    answer = served.call("GET", "/api/v1/namespaces/default/configmaps/nope")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'configmaps "nope" not found',
        "reason": "NotFound",
        "details": {"name": "nope", "kind": "configmaps"},
        "code": 404,
    }
    assert served.call("GET", "/apis/none.example/v1/things").status_code == 404


def test_a_stale_write_is_refused(served: Any) -> None:
    path = f"/api/v1/namespaces/{served.namespace()}/configmaps"
    first = served.call("POST", path, config_map("c", a="1")).json()
    assert served.call("PUT", f"{path}/c", {**first, "data": {"a": "2"}}).status_code == 200
    answer = served.call("PUT", f"{path}/c", {**first, "data": {"a": "3"}})
    assert (answer.status_code, answer.json()["reason"]) == (409, "Conflict")
    assert served.call("POST", path, config_map("c")).json()["reason"] == "AlreadyExists"


def test_selectors_and_pages(served: Any) -> None:
    path = f"/api/v1/namespaces/{served.namespace()}/configmaps"
    for index in range(5):
        body = config_map(f"c{index}")
        body["metadata"]["labels"] = {"odd": str(index % 2), "n": str(index)}
        served.call("POST", path, body)

    def names(query: str) -> list[str]:
        return [i["metadata"]["name"] for i in served.get(f"{path}?{query}")["items"]]

    assert names("labelSelector=odd%3D1") == ["c1", "c3"]
    assert names("labelSelector=n%20in%20(0,4),odd!%3D1") == ["c0", "c4"]
    assert names("labelSelector=!odd") == ["kube-root-ca.crt"]
    assert names("fieldSelector=metadata.name%3Dc2") == ["c2"]
    seen, token = [], ""
    while True:
        page = served.get(f"{path}?limit=2&labelSelector=odd&continue={token}")
        seen.append([i["metadata"]["name"] for i in page["items"]])
        token = page["metadata"].get("continue", "")
        if not token:
            break
        assert page["metadata"]["remainingItemCount"] == 5 - 2 * len(seen)
    assert seen == [["c0", "c1"], ["c2", "c3"], ["c4"]]
    assert served.call("GET", f"{path}?labelSelector=%3D%3D").status_code == 400


def test_a_watch_tells_every_change_from_a_revision_on(served: Any) -> None:
    path = f"/api/v1/namespaces/{served.namespace()}/configmaps"
    start = served.get(path)["metadata"]["resourceVersion"]
    seen: list[tuple[str, str]] = []

    def watch() -> None:
        query = f"watch=1&resourceVersion={start}&timeoutSeconds=5&labelSelector=keep%3Dyes"
        with served.http.stream("GET", f"{path}?{query}") as stream:
            for line in stream.iter_lines():
                event = json.loads(line)
                seen.append((event["type"], event["object"]["metadata"]["name"]))
                if event["type"] == "DELETED" and event["object"]["metadata"]["name"] == "last":
                    return

    thread = threading.Thread(target=watch)
    thread.start()

    def labelled(name: str, keep: str) -> dict[str, Any]:
        body = config_map(name)
        body["metadata"]["labels"] = {"keep": keep}
        return body

    served.call("POST", path, labelled("a", "yes"))
    served.call("POST", path, labelled("b", "no"))
    served.call("PATCH", f"{path}/a", {"data": {"x": "1"}}, **MERGE)
    served.call("PATCH", f"{path}/b", {"metadata": {"labels": {"keep": "yes"}}}, **MERGE)
    served.call("PATCH", f"{path}/a", {"metadata": {"labels": {"keep": "no"}}}, **MERGE)
    served.call("POST", path, labelled("last", "yes"))
    served.call("DELETE", f"{path}/last")
    thread.join(10)
    # Leaving the selection looks like a deletion, entering it like a creation.
    assert seen == [
        ("ADDED", "a"),
        ("MODIFIED", "a"),
        ("ADDED", "b"),
        ("DELETED", "a"),
        ("ADDED", "last"),
        ("DELETED", "last"),
    ]


def test_a_watch_from_a_forgotten_revision_is_gone(served: Any) -> None:
    space = served.namespace()
    path = f"/api/v1/namespaces/{space}/configmaps"
    served.call("POST", path, config_map("c"))
    store = served.clusters._clusters[next(iter(served.clusters.stats()))][0].world.store
    for index in range(4200):
        served.loop.call_soon_threadsafe(
            store.put,
            "leases.coordination.k8s.io",
            {"apiVersion": "v1", "kind": "Lease", "metadata": {"name": f"l{index % 3}", "namespace": space}},
        )
    served.until(lambda: store.revision > 4200)
    with served.http.stream("GET", f"{path}?watch=1&resourceVersion=2&timeoutSeconds=5") as stream:
        event = json.loads(next(stream.iter_lines()))
    assert event["type"] == "ERROR"
    assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")


def test_a_watch_can_begin_with_all_objects_and_a_bookmark(served: Any) -> None:
    path = f"/api/v1/namespaces/{served.namespace()}/configmaps"
    served.call("POST", path, config_map("c"))
    query = "watch=1&sendInitialEvents=true&allowWatchBookmarks=true&timeoutSeconds=1"
    with served.http.stream("GET", f"{path}?{query}&fieldSelector=metadata.name%3Dc") as stream:
        events = [json.loads(line) for line in stream.iter_lines()]
    assert [e["type"] for e in events][:2] == ["ADDED", "BOOKMARK"]
    assert events[1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_each_kind_of_patch(served: Any) -> None:
    path = f"/apis/apps/v1/namespaces/{served.namespace()}/deployments"
    assert served.call("POST", path, deployment("d")).status_code == 201
    env = {
        "spec": {
            "template": {"spec": {"containers": [{"name": "main", "env": [{"name": "B", "value": "2"}]}]}}
        }
    }
    merged = served.call("PATCH", f"{path}/d", env, **STRATEGIC).json()
    container = merged["spec"]["template"]["spec"]["containers"][0]
    assert container["image"] == "nginx:1.27"
    assert [e["name"] for e in container["env"]] == ["A", "B"]
    gone = [{"name": "main", "env": [{"name": "A", "$patch": "delete"}]}]
    merged = served.call(
        "PATCH", f"{path}/d", {"spec": {"template": {"spec": {"containers": gone}}}}, **STRATEGIC
    ).json()
    assert [e["name"] for e in merged["spec"]["template"]["spec"]["containers"][0]["env"]] == ["B"]
    operations = [
        {"op": "test", "path": "/spec/replicas", "value": 1},
        {"op": "replace", "path": "/spec/replicas", "value": 0},
        {"op": "add", "path": "/metadata/annotations", "value": {"a/b": "c"}},
    ]
    patched = served.call("PATCH", f"{path}/d", operations, **JSON_PATCH).json()
    assert (patched["spec"]["replicas"], patched["metadata"]["annotations"]) == (0, {"a/b": "c"})
    failed = served.call("PATCH", f"{path}/d", operations[:1], **JSON_PATCH)
    assert failed.status_code == 422
    removed = served.call("PATCH", f"{path}/d", {"metadata": {"annotations": {"a/b": None}}}, **MERGE).json()
    assert not removed["metadata"].get("annotations")


def test_an_apply_of_the_same_changes_nothing(served: Any) -> None:
    path = f"/apis/apps/v1/namespaces/{served.namespace()}/deployments/d"
    first = served.apply(path, deployment("d", replicas=0))
    assert first.status_code == 201
    served.until(lambda: served.get(path).get("status", {}).get("observedGeneration") == 1)
    live, before = served.get(path), served.changes()
    again = served.apply(path, deployment("d", replicas=0))
    assert again.status_code == 200
    assert again.json() == live
    assert served.changes() == before
    assert served.apply(path, deployment("d", replicas=1)).json()["metadata"]["generation"] == 2
    assert served.changes() == before + 1


def test_apply_shares_and_takes_and_removes_fields(served: Any) -> None:
    path = f"/api/v1/namespaces/{served.namespace()}/configmaps/c"
    served.apply(path, config_map("c", a="1", b="1"), "one")
    assert served.apply(path, config_map("c", b="1", c="1"), "two").status_code == 200
    refused = served.apply(path, config_map("c", a="2", b="2"), "two")
    assert refused.status_code == 409
    causes = refused.json()["details"]["causes"]
    assert [(c["reason"], c["field"]) for c in causes] == [
        ("FieldManagerConflict", ".data.a"),
        ("FieldManagerConflict", ".data.b"),
    ]
    forced = served.apply(path, config_map("c", b="2", c="1"), "two", force="true").json()
    assert forced["data"] == {"a": "1", "b": "2", "c": "1"}
    # `one` lost b to the force; leaving it out removes only what it still owns alone.
    left = served.apply(path, config_map("c"), "one").json()
    assert left["data"] == {"b": "2", "c": "1"}
    managers = {e["manager"]: e["fieldsV1"] for e in left["metadata"]["managedFields"]}
    assert managers["two"] == {"f:data": {"f:b": {}, "f:c": {}}}


def test_apply_removes_list_items_by_their_key(served: Any) -> None:
    path = f"/apis/apps/v1/namespaces/{served.namespace()}/deployments/d"
    body = deployment("d", replicas=0)
    body["spec"]["template"]["spec"]["containers"].append({"name": "side", "image": "busybox:1"})
    served.apply(path, body)
    left = served.apply(path, deployment("d", replicas=0)).json()
    assert [c["name"] for c in left["spec"]["template"]["spec"]["containers"]] == ["main"]


def test_an_update_takes_ownership_from_an_apply(served: Any) -> None:
    path = f"/apis/apps/v1/namespaces/{served.namespace()}/deployments/d"
    served.apply(path, deployment("d", replicas=0))
    served.call("PATCH", f"{path}/scale?fieldManager=scaler", {"spec": {"replicas": 1}}, **MERGE)
    refused = served.apply(path, deployment("d", replicas=0))
    assert refused.status_code == 409
    assert refused.json()["details"]["causes"][0]["field"] == ".spec.replicas"
    assert 'conflict with "scaler"' in refused.json()["message"]


def test_dry_run_stores_nothing(served: Any) -> None:
    path = f"/api/v1/namespaces/{served.namespace()}/configmaps"
    before = served.changes()
    assert served.call("POST", f"{path}?dryRun=All", config_map("c")).status_code == 201
    assert served.call("GET", f"{path}/c").status_code == 404
    assert served.changes() == before


def test_wrong_objects_are_refused_with_their_causes(served: Any) -> None:
    space = served.namespace()
    path = f"/apis/apps/v1/namespaces/{space}/deployments"
    body = deployment("d")
    body["spec"]["template"]["metadata"]["labels"] = {"app": "other"}
    refused = served.call("POST", path, body)
    assert refused.status_code == 422
    assert refused.json()["details"]["causes"][0]["field"] == "spec.template.metadata.labels"
    body = deployment("d")
    del body["spec"]["selector"]
    assert "spec.selector: Required value" in served.call("POST", path, body).json()["message"]
    assert served.call("POST", path, deployment("d", replicas="three")).status_code == 400
    assert served.call("POST", path, deployment("Not_A_Name")).status_code == 422
    claim = served.call("POST", f"/api/v1/namespaces/{space}x/configmaps", config_map("c"))
    assert claim.json()["message"] == f'namespaces "{space}x" not found'


def test_fields_that_never_change_are_refused(served: Any) -> None:
    path = f"/apis/apps/v1/namespaces/{served.namespace()}/deployments"
    served.call("POST", path, deployment("d", replicas=0))
    changed = {"spec": {"selector": {"matchLabels": {"app": "d", "x": "y"}}}}
    assert served.call("PATCH", f"{path}/d", changed, **MERGE).status_code == 422


def test_custom_resources_are_served_once_defined(served: Any) -> None:
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "servicemonitors.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com",
            "names": {"kind": "ServiceMonitor", "plural": "servicemonitors"},
            "scope": "Namespaced",
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object"}},
                }
            ],
        },
    }
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/servicemonitors.monitoring.coreos.com"
    assert served.apply(path, definition).status_code == 201

    def established() -> bool:
        conditions = served.get(path).get("status", {}).get("conditions", [])
        return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)

    served.until(established)
    space = served.namespace()
    monitor = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": {"name": "m"},
        "spec": {"endpoints": [{"port": "metrics"}]},
    }
    where = f"/apis/monitoring.coreos.com/v1/namespaces/{space}/servicemonitors/m"
    assert served.apply(where, monitor).status_code == 201
    assert served.get(where)["spec"] == monitor["spec"]
    assert served.call("DELETE", path).status_code == 200
    served.until(lambda: served.call("GET", where).status_code == 404)


def test_discovery_is_plain_and_aggregated(served: Any) -> None:
    plain = served.get("/apis/apps/v1")
    assert {"name": "statefulsets/scale"}.items() <= next(
        r for r in plain["resources"] if r["name"] == "statefulsets/scale"
    ).items()
    accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
    answer = served.call("GET", "/apis", accept=accept)
    assert answer.headers["content-type"] == accept
    assert "apps" in [i["metadata"]["name"] for i in answer.json()["items"]]

"""What controllers, nodes and load balancers do with objects."""

from __future__ import annotations

from typing import Any

import pytest

from chainfleet.emulator.seams import Fault, FaultKind

MERGE = {"content-type": "application/merge-patch+json"}


def stateful_set(name: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name},
        "spec": {
            "serviceName": name,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "containers": [
                        {"name": "main", "image": "example/app:1", "ports": [{"containerPort": 80}]}
                    ]
                },
            },
            **spec,
        },
    }


def claim_template(name: str, storage_class: str = "managed-csi-premium") -> dict[str, Any]:
    return {
        "metadata": {"name": name},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": storage_class,
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }


def service(name: str, selector: str, **more: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "annotations": more.pop("annotations", {})},
        "spec": {"selector": {"app": selector}, "ports": [{"port": 80}], **more},
    }


def status(served: Any, path: str) -> dict[str, Any]:
    return served.get(path).get("status", {})


def test_a_stateful_set_makes_its_pods_in_order_with_their_disks(served: Any) -> None:
    space = served.namespace()
    path = f"/apis/apps/v1/namespaces/{space}/statefulsets/web"
    served.apply(path, stateful_set("web", replicas=2, volumeClaimTemplates=[claim_template("data")]))
    pods = f"/api/v1/namespaces/{space}/pods"
    first = served.until(lambda: served.get(pods)["items"])
    assert [p["metadata"]["name"] for p in first] == ["web-0"]
    assert first[0]["status"]["phase"] == "Pending"
    found = served.until(lambda: status(served, path).get("readyReplicas") == 2 and status(served, path))
    assert found["currentRevision"] == found["updateRevision"]
    assert (found["replicas"], found["updatedReplicas"], found["observedGeneration"]) == (2, 2, 1)
    claims = served.get(f"/api/v1/namespaces/{space}/persistentvolumeclaims")["items"]
    assert [(c["metadata"]["name"], c["status"]["phase"]) for c in claims] == [
        ("data-web-0", "Bound"),
        ("data-web-1", "Bound"),
    ]
    served.call("PATCH", f"{path}/scale", {"spec": {"replicas": 0}}, **MERGE)
    served.until(lambda: not served.get(pods)["items"])
    assert len(served.get(f"/api/v1/namespaces/{space}/persistentvolumeclaims")["items"]) == 2


@pytest.mark.parametrize(("strategy", "replaced"), [("RollingUpdate", True), ("OnDelete", False)])
def test_a_new_template_replaces_pods_but_not_on_delete(served: Any, strategy: str, replaced: bool) -> None:
    space = served.namespace()
    path = f"/apis/apps/v1/namespaces/{space}/statefulsets/web"
    body = stateful_set("web", updateStrategy={"type": strategy})
    served.apply(path, body)
    served.until(lambda: status(served, path).get("readyReplicas") == 1)
    before = served.get(f"/api/v1/namespaces/{space}/pods/web-0")["metadata"]["uid"]
    body["spec"]["template"]["metadata"]["annotations"] = {"checksum": "2"}
    served.apply(path, body)

    def rolled() -> bool:
        found = status(served, path)
        done = found["observedGeneration"] == 2 and found.get("readyReplicas") == 1
        return done and (found["updateRevision"] == found["currentRevision"]) is replaced

    served.until(rolled)
    after = served.get(f"/api/v1/namespaces/{space}/pods/web-0")["metadata"]["uid"]
    assert (before != after) is replaced


def test_a_pod_without_a_fitting_node_is_unschedulable(served: Any) -> None:
    space = served.namespace()
    body = stateful_set("web")
    body["spec"]["template"]["spec"]["nodeSelector"] = {"pool": "v"}
    served.apply(f"/apis/apps/v1/namespaces/{space}/statefulsets/web", body)
    pod = f"/api/v1/namespaces/{space}/pods/web-0"

    def unschedulable() -> bool:
        answer = served.call("GET", pod)
        conditions = answer.json().get("status", {}).get("conditions", [])
        return any(c.get("reason") == "Unschedulable" for c in conditions)

    # The nodes with that label are tainted, so the selector alone isn't enough.
    served.until(unschedulable)
    body["spec"]["template"]["spec"]["tolerations"] = [{"key": "only", "value": "v", "effect": "NoSchedule"}]
    served.apply(f"/apis/apps/v1/namespaces/{space}/statefulsets/web", body)
    served.call("DELETE", pod)
    node = served.until(lambda: served.call("GET", pod).json().get("spec", {}).get("nodeName"))
    assert "validators" in node


def test_a_missing_config_map_or_secret_keeps_a_pod_waiting(served: Any) -> None:
    space = served.namespace()
    body = stateful_set("web")
    spec = body["spec"]["template"]["spec"]
    spec["volumes"] = [{"name": "c", "configMap": {"name": "late"}}]
    spec["containers"][0]["volumeMounts"] = [{"name": "c", "mountPath": "/c"}]
    served.apply(f"/apis/apps/v1/namespaces/{space}/statefulsets/web", body)
    events = f"/api/v1/namespaces/{space}/events"
    served.until(lambda: [e for e in served.get(events)["items"] if e["reason"] == "FailedMount"])
    late = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "late"}}
    served.apply(f"/api/v1/namespaces/{space}/configmaps/late", late)
    path = f"/apis/apps/v1/namespaces/{space}/statefulsets/web"
    served.until(lambda: status(served, path).get("readyReplicas") == 1)


def test_a_load_balancer_gets_the_named_address_once_it_exists(served: Any) -> None:
    space = served.namespace()
    prefix = "service.beta.kubernetes.io/azure-"
    path = f"/api/v1/namespaces/{space}/services/p2p"
    annotations = {f"{prefix}pip-name": "late", f"{prefix}load-balancer-resource-group": "t-northeurope"}
    served.apply(path, service("p2p", "web", type="LoadBalancer", annotations=annotations))
    events = f"/api/v1/namespaces/{space}/events"
    served.until(lambda: [e for e in served.get(events)["items"] if e["reason"] == "SyncLoadBalancerFailed"])
    assert not status(served, path).get("loadBalancer")
    served.addresses.known["late"] = "20.9.9.9"
    ingress = served.until(lambda: status(served, path).get("loadBalancer", {}).get("ingress"))
    assert ingress == [{"ip": "20.9.9.9", "ipMode": "VIP"}]


def test_endpoints_follow_readiness_unless_told_not_to(served: Any) -> None:
    space = served.namespace()
    body = stateful_set("web")
    container = body["spec"]["template"]["spec"]["containers"][0]
    container["readinessProbe"] = {"httpGet": {"path": "/", "port": 81}, "initialDelaySeconds": 100000}
    served.apply(f"/apis/apps/v1/namespaces/{space}/statefulsets/web", body)
    root = f"/api/v1/namespaces/{space}"
    served.apply(f"{root}/services/strict", service("strict", "web"))
    served.apply(f"{root}/services/early", service("early", "web", publishNotReadyAddresses=True))

    def subset(name: str) -> dict[str, Any]:
        found = served.call("GET", f"{root}/endpoints/{name}").json().get("subsets") or [{}]
        return found[0]

    served.until(lambda: subset("strict").get("notReadyAddresses"))
    assert "addresses" not in subset("strict")
    assert subset("early")["addresses"][0]["targetRef"]["name"] == "web-0"
    answer = served.call("GET", f"{root}/services/strict:80/proxy/")
    assert answer.status_code == 503
    assert answer.json()["message"] == 'no endpoints available for service "strict"'
    assert served.call("GET", f"{root}/services/early:80/proxy/x?y=1").status_code == 200


def test_deployments_daemon_sets_and_jobs_come_to_their_ends(served: Any) -> None:
    space = served.namespace()
    template = stateful_set("x")["spec"]["template"]
    selector = {"matchLabels": {"app": "x"}}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d"},
        "spec": {"replicas": 2, "selector": selector, "template": template},
    }
    daemon = {**deployment, "kind": "DaemonSet", "spec": {"selector": selector, "template": template}}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "j"},
        "spec": {"template": {"spec": {**template["spec"], "restartPolicy": "Never"}}},
    }
    served.apply(f"/apis/apps/v1/namespaces/{space}/deployments/d", deployment)
    served.apply(f"/apis/apps/v1/namespaces/{space}/daemonsets/d", daemon)
    served.apply(f"/apis/batch/v1/namespaces/{space}/jobs/j", job)
    served.until(
        lambda: status(served, f"/apis/apps/v1/namespaces/{space}/deployments/d").get("readyReplicas") == 2
    )
    served.until(
        lambda: status(served, f"/apis/apps/v1/namespaces/{space}/daemonsets/d").get("numberReady") == 3
    )
    done = served.until(lambda: status(served, f"/apis/batch/v1/namespaces/{space}/jobs/j").get("conditions"))
    assert [(c["type"], c["status"]) for c in done] == [("Complete", "True")]


def test_a_budget_forbids_the_eviction_that_would_break_it(served: Any) -> None:
    space = served.namespace()
    served.apply(f"/apis/apps/v1/namespaces/{space}/statefulsets/web", stateful_set("web"))
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "b"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
    }
    path = f"/apis/policy/v1/namespaces/{space}/poddisruptionbudgets/b"
    served.apply(path, budget)
    served.until(lambda: status(served, path).get("currentHealthy") == 1)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "web-0"}}
    where = f"/api/v1/namespaces/{space}/pods/web-0/eviction"
    assert served.call("POST", where, eviction).status_code == 429
    served.apply(path, {**budget, "spec": {**budget["spec"], "minAvailable": 0}})
    served.until(lambda: status(served, path).get("disruptionsAllowed") == 1)
    assert served.call("POST", where, eviction).status_code == 201


def test_a_crash_loop_shows_as_one_and_ends_with_the_fault(served: Any) -> None:
    space = served.namespace()
    number = served.faults.add(Fault(FaultKind.POD_CRASH, resource="crashing"))
    served.apply(f"/apis/apps/v1/namespaces/{space}/statefulsets/crashing", stateful_set("crashing"))

    def container() -> dict[str, Any]:
        pod = served.call("GET", f"/api/v1/namespaces/{space}/pods/crashing-0").json()
        return (pod.get("status", {}).get("containerStatuses") or [{}])[0]

    def looping() -> bool:
        waiting = container().get("state", {}).get("waiting", {})
        return waiting.get("reason") == "CrashLoopBackOff" and container()["restartCount"] >= 2

    served.until(looping)
    assert container()["lastState"]["terminated"]["exitCode"] == 1
    served.faults.remove(number)
    served.until(lambda: container().get("ready"))


def test_deleting_an_owner_removes_what_it_owns(served: Any) -> None:
    space = served.namespace()
    path = f"/apis/apps/v1/namespaces/{space}/statefulsets"
    for name, policy, left in (("gone", "Background", 0), ("kept", "Orphan", 1)):
        served.apply(f"{path}/{name}", stateful_set(name))
        served.until(lambda name=name: status(served, f"{path}/{name}").get("readyReplicas") == 1)
        served.call("DELETE", f"{path}/{name}?propagationPolicy={policy}")
        pods = f"/api/v1/namespaces/{space}/pods?labelSelector=app%3D{name}"
        served.until(lambda pods=pods, left=left: len(served.get(pods)["items"]) == left)


def test_faults_of_the_api_look_like_an_overloaded_or_broken_server(served: Any) -> None:
    path = f"/api/v1/namespaces/{served.namespace()}/configmaps"
    for kind, code in ((FaultKind.THROTTLE, 429), (FaultKind.SERVER_ERROR, 500)):
        served.faults.add(Fault(kind, region="northeurope", resource="configmaps", verb="GET", count=1))
        answer = served.call("GET", path)
        assert answer.status_code == code
        assert served.call("GET", path).status_code == 200
    assert answer.json()["kind"] == "Status"

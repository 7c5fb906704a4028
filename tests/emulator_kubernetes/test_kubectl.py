"""The real kubectl sees nothing unusual."""

from __future__ import annotations

from typing import Any

import pytest

WEB = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: web, namespace: NS}
spec:
  replicas: 2
  serviceName: web
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "nginx:1.27", ports: [{containerPort: 80, name: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: NS}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}
"""


def test_it_reads_version_and_resources(kubectl: Any) -> None:
    assert "Server Version: v1.34" in kubectl("version")
    resources = kubectl("api-resources")
    for name in ("statefulsets", "poddisruptionbudgets", "networkpolicies", "secretproviderclasses"):
        assert name in resources


def test_it_applies_waits_scales_reads_logs_and_deletes(served: Any, kubectl: Any) -> None:
    space = served.namespace()
    manifest = WEB.replace("NS", space)
    assert "statefulset.apps/web created" in kubectl("apply", "-f", "-", stdin=manifest)
    kubectl("-n", space, "rollout", "status", "sts/web", "--timeout=30s")
    shown = kubectl("-n", space, "get", "pods")
    assert "READY   STATUS    RESTARTS" in shown
    assert shown.count("1/1     Running") == 2
    again = kubectl("apply", "-f", "-", stdin=manifest)
    assert "statefulset.apps/web unchanged" in again
    assert "service/web unchanged" in again
    assert "nginx:1.27 started" in kubectl("-n", space, "logs", "web-0")
    assert "emulated container web" in kubectl(
        "get", "--raw", f"/api/v1/namespaces/{space}/services/web:80/proxy/"
    )
    kubectl("-n", space, "scale", "sts/web", "--replicas=1")
    kubectl("-n", space, "wait", "--for=delete", "pod/web-1", "--timeout=20s")
    assert "Scheduled" in kubectl("-n", space, "describe", "pod", "web-0")
    kubectl("delete", "namespace", space, "--timeout=30s")
    assert "NotFound" in kubectl("get", "namespace", space, ok=False)


def test_server_side_apply_names_the_conflict_and_force_takes_over(served: Any, kubectl: Any) -> None:
    space = served.namespace()
    text = f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c, namespace: {space}}}\ndata: {{a: '1'}}\n"
    kubectl("apply", "--server-side", "--field-manager=one", "-f", "-", stdin=text)
    other = text.replace("'1'", "'2'")
    refused = kubectl("apply", "--server-side", "--field-manager=two", "-f", "-", stdin=other, ok=False)
    assert 'conflict with "one": .data.a' in refused or 'conflict with "one" using v1: .data.a' in refused
    kubectl("apply", "--server-side", "--field-manager=two", "--force-conflicts", "-f", "-", stdin=other)
    assert "2" in kubectl("-n", space, "get", "cm", "c", "-o", "jsonpath={.data.a}")


def test_unknown_fields_are_named(served: Any, kubectl: Any) -> None:
    space = served.namespace()
    wrong = WEB.replace("NS", space).replace("serviceName:", "servicename:")
    assert 'unknown field "spec.servicename"' in kubectl("apply", "-f", "-", stdin=wrong, ok=False)


@pytest.mark.parametrize("what", ["sts.spec.replicas", "pod.spec.containers.readinessProbe"])
def test_explain_finds_the_documentation(kubectl: Any, what: str) -> None:
    assert "DESCRIPTION" in kubectl("explain", what)

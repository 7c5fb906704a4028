"""The defaults that Kubernetes fills in when an object is written.

Values are those of the API reference for Kubernetes 1.34 ("Defaults to …"). Every function changes the
object it's given, which the caller has just made.
"""

from __future__ import annotations

import base64
from typing import Any

Json = dict[str, Any]


def fill(kind: str, obj: Json) -> None:
    """Fill in the defaults of a kind."""
    if found := _BY_KIND.get(kind):
        found(obj)


def _set(target: Json, **values: Any) -> None:
    for name, value in values.items():
        target.setdefault(name, value)


def pod_spec(spec: Json) -> None:
    """Defaults of a pod, also inside templates."""
    _set(
        spec,
        restartPolicy="Always",
        dnsPolicy="ClusterFirst",
        schedulerName="default-scheduler",
        terminationGracePeriodSeconds=30,
    )
    spec.setdefault("securityContext", {})
    for container in (*spec.get("initContainers", ()), *spec.get("containers", ())):
        _container(container)
    for volume in spec.get("volumes", ()):
        for source in ("configMap", "secret", "projected", "downwardAPI"):
            if source in volume:
                _set(volume[source], defaultMode=420)
        if not volume.keys() - {"name"}:
            volume["emptyDir"] = {}


def _container(container: Json) -> None:
    image = container.get("image", "")
    latest = "@" not in image and (":" not in image.rsplit("/", 1)[-1] or image.endswith(":latest"))
    _set(
        container,
        imagePullPolicy="Always" if latest else "IfNotPresent",
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
    )
    container.setdefault("resources", {})
    for port in container.get("ports", ()):
        _set(port, protocol="TCP")
    for variable in container.get("env", ()):
        reference = variable.get("valueFrom", {}).get("fieldRef")
        if reference is not None:
            _set(reference, apiVersion="v1")
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if probe in container:
            _probe(container[probe])


def _probe(probe: Json) -> None:
    _set(probe, timeoutSeconds=1, periodSeconds=10, successThreshold=1, failureThreshold=3)
    if "httpGet" in probe:
        _set(probe["httpGet"], scheme="HTTP", path="/")


def _template(obj: Json) -> None:
    template = obj["spec"].setdefault("template", {})
    template.setdefault("metadata", {})
    pod_spec(template.setdefault("spec", {}))


def _stateful_set(obj: Json) -> None:
    spec = obj["spec"]
    _set(spec, replicas=1, podManagementPolicy="OrderedReady", revisionHistoryLimit=10)
    strategy = spec.setdefault("updateStrategy", {})
    _set(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _set(strategy.setdefault("rollingUpdate", {}), partition=0)
    retention = spec.setdefault("persistentVolumeClaimRetentionPolicy", {})
    _set(retention, whenDeleted="Retain", whenScaled="Retain")
    for claim in spec.get("volumeClaimTemplates", ()):
        _set(claim, apiVersion="v1", kind="PersistentVolumeClaim")
        _set(claim["spec"], volumeMode="Filesystem")
        _set(claim.setdefault("status", {}), phase="Pending")
    _template(obj)


def _deployment(obj: Json) -> None:
    spec = obj["spec"]
    _set(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = spec.setdefault("strategy", {})
    _set(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _set(strategy.setdefault("rollingUpdate", {}), maxSurge="25%", maxUnavailable="25%")
    _template(obj)


def _replica_set(obj: Json) -> None:
    _set(obj["spec"], replicas=1)
    _template(obj)


def _daemon_set(obj: Json) -> None:
    spec = obj["spec"]
    _set(spec, revisionHistoryLimit=10)
    strategy = spec.setdefault("updateStrategy", {})
    _set(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _set(strategy.setdefault("rollingUpdate", {}), maxSurge=0, maxUnavailable=1)
    _template(obj)


def _job(obj: Json) -> None:
    spec = obj["spec"]
    _set(
        spec,
        backoffLimit=6,
        completions=1,
        parallelism=1,
        completionMode="NonIndexed",
        suspend=False,
        podReplacementPolicy="TerminatingOrFailed",
    )
    _template(obj)
    labels = {"batch.kubernetes.io/job-name": obj["metadata"]["name"], "job-name": obj["metadata"]["name"]}
    obj["spec"]["template"]["metadata"].setdefault("labels", {}).update(labels)
    spec.setdefault("selector", {"matchLabels": {"batch.kubernetes.io/job-name": obj["metadata"]["name"]}})


def _cron_job(obj: Json) -> None:
    _set(
        obj["spec"],
        concurrencyPolicy="Allow",
        suspend=False,
        successfulJobsHistoryLimit=3,
        failedJobsHistoryLimit=1,
    )


def _service(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    _set(spec, type="ClusterIP", sessionAffinity="None")
    if spec["type"] == "ExternalName":
        return
    _set(spec, internalTrafficPolicy="Cluster", ipFamilies=["IPv4"], ipFamilyPolicy="SingleStack")
    if spec["type"] in ("NodePort", "LoadBalancer"):
        _set(spec, externalTrafficPolicy="Cluster")
    if spec["type"] == "LoadBalancer":
        _set(spec, allocateLoadBalancerNodePorts=True)
    for port in spec.get("ports", ()):
        _set(port, protocol="TCP", targetPort=port.get("port"))


def _claim(obj: Json) -> None:
    _set(obj["spec"], volumeMode="Filesystem")
    _set(obj.setdefault("status", {}), phase="Pending")


def _volume(obj: Json) -> None:
    _set(obj["spec"], volumeMode="Filesystem", persistentVolumeReclaimPolicy="Retain")


def _secret(obj: Json) -> None:
    _set(obj, type="Opaque")
    plain = obj.pop("stringData", None)
    if plain:
        data = obj.setdefault("data", {})
        for name, value in plain.items():
            data[name] = base64.b64encode(value.encode()).decode()


def _storage_class(obj: Json) -> None:
    _set(obj, reclaimPolicy="Delete", volumeBindingMode="Immediate")


def _network_policy(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    if "policyTypes" not in spec:
        spec["policyTypes"] = ["Ingress", "Egress"] if "egress" in spec else ["Ingress"]


def _priority_class(obj: Json) -> None:
    _set(obj, preemptionPolicy="PreemptLowerPriority")


def _definition(obj: Json) -> None:
    names = obj["spec"]["names"]
    _set(names, singular=names.get("kind", "").lower(), listKind=f"{names.get('kind', '')}List")
    _set(obj["spec"].setdefault("conversion", {}), strategy="None")


def _namespace(obj: Json) -> None:
    _set(obj.setdefault("spec", {}), finalizers=["kubernetes"])
    _set(obj.setdefault("status", {}), phase="Active")
    labels = obj["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = obj["metadata"]["name"]


def _pod(obj: Json) -> None:
    pod_spec(obj["spec"])
    _set(obj["spec"], enableServiceLinks=True, serviceAccountName="default", serviceAccount="default")
    _set(obj.setdefault("status", {}), phase="Pending", qosClass=_quality(obj["spec"]))


def _quality(spec: Json) -> str:
    resources = [c.get("resources", {}) for c in spec.get("containers", ())]
    if not any(r.get("requests") or r.get("limits") for r in resources):
        return "BestEffort"
    guaranteed = all(
        {"cpu", "memory"} <= (r.get("limits") or {}).keys()
        and (r.get("requests") or r["limits"]) == r["limits"]
        for r in resources
    )
    return "Guaranteed" if guaranteed else "Burstable"


_BY_KIND = {
    "Pod": _pod,
    "StatefulSet": _stateful_set,
    "Deployment": _deployment,
    "ReplicaSet": _replica_set,
    "DaemonSet": _daemon_set,
    "Job": _job,
    "CronJob": _cron_job,
    "Service": _service,
    "PersistentVolumeClaim": _claim,
    "PersistentVolume": _volume,
    "Secret": _secret,
    "StorageClass": _storage_class,
    "NetworkPolicy": _network_policy,
    "PriorityClass": _priority_class,
    "CustomResourceDefinition": _definition,
    "Namespace": _namespace,
}

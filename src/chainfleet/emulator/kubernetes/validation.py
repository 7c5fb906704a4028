"""Rules that go beyond types: names, labels, references inside an object, fields that never change."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Any

from . import selectors
from .errors import ApiError, invalid
from .kinds import Kind

Json = dict[str, Any]
Cause = tuple[str, str, str]

_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
_SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_VALUE = re.compile(r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")
_DATA_KEY = re.compile(r"^[-._a-zA-Z0-9]+$")

_SUBDOMAIN_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character"
)
_LABEL_RULE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
    "character, and end with an alphanumeric character"
)
_STATEFUL_SET_MAY_CHANGE = frozenset(
    {
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    }
)
_WORKLOADS = frozenset({"StatefulSet", "Deployment", "ReplicaSet", "DaemonSet"})


def check(kind: Kind, new: Json, live: Json | None) -> None:
    """Refuse an object that Kubernetes would refuse.

    Raises:
        ApiError: 422 with one cause per wrong field.
    """
    causes = [*_metadata(kind, new), *_content(kind, new)]
    if live is not None:
        causes += _immutable(kind, live, new)
    if causes:
        raise invalid(kind, new["metadata"].get("name", ""), causes)


def refuse(kind: Kind, name: str, field: str, message: str) -> ApiError:
    """One wrong value."""
    return invalid(kind, name, [("FieldValueInvalid", field, message)])


def _metadata(kind: Kind, obj: Json) -> Iterator[Cause]:
    meta = obj["metadata"]
    name = meta["name"]
    if kind.kind in ("Service", "Namespace"):
        if len(name) > 63 or not _LABEL.match(name) or (kind.kind == "Service" and name[0].isdigit()):
            yield "FieldValueInvalid", "metadata.name", f'Invalid value: "{name}": {_LABEL_RULE}'
    elif kind.group != "rbac.authorization.k8s.io" and (len(name) > 253 or not _SUBDOMAIN.match(name)):
        yield "FieldValueInvalid", "metadata.name", f'Invalid value: "{name}": {_SUBDOMAIN_RULE}'
    for key, value in (meta.get("labels") or {}).items():
        if not isinstance(value, str) or len(value) > 63 or not _VALUE.match(value):
            yield (
                "FieldValueInvalid",
                "metadata.labels",
                f'Invalid value: "{value}": a valid label must be an empty string or consist of alphanumeric '
                f"characters, '-', '_' or '.', and must be at most 63 characters (key {key})",
            )


def _content(kind: Kind, obj: Json) -> Iterator[Cause]:
    spec = obj.get("spec") or {}
    if kind.kind in _WORKLOADS:
        labels = spec["template"]["metadata"].get("labels") or {}
        if not selectors.matches(spec.get("selector"), labels):
            yield (
                "FieldValueInvalid",
                "spec.template.metadata.labels",
                f"Invalid value: {labels}: `selector` does not match template `labels`",
            )
        yield from _pod(spec["template"]["spec"], "spec.template.spec", claims=_claims(spec))
    elif kind.kind == "Pod":
        yield from _pod(spec, "spec", claims=frozenset())
    elif kind.kind in ("ConfigMap", "Secret"):
        yield from _data(kind, obj)
    elif kind.kind == "Service":
        yield from _service(spec)


def _claims(spec: Json) -> frozenset[str]:
    return frozenset(c["metadata"]["name"] for c in spec.get("volumeClaimTemplates", ()))


def _pod(spec: Json, path: str, *, claims: frozenset[str]) -> Iterator[Cause]:
    containers = spec.get("containers") or []
    if not containers:
        yield "FieldValueRequired", f"{path}.containers", "Required value"
    for at, volume in enumerate(spec.get("volumes", ())):
        if len(volume.keys() - {"name"}) > 1:
            place, text = f"{path}.volumes[{at}]", "Forbidden: may not specify more than 1 volume type"
            yield "FieldValueForbidden", place, text
    volumes = {v["name"] for v in spec.get("volumes", ())} | claims
    seen: set[str] = set()
    for index, container in enumerate(containers):
        place = f"{path}.containers[{index}]"
        if container["name"] in seen:
            yield "FieldValueDuplicate", f"{place}.name", f'Duplicate value: "{container["name"]}"'
        seen.add(container["name"])
        if not container.get("image"):
            yield "FieldValueRequired", f"{place}.image", "Required value"
        for at, mount in enumerate(container.get("volumeMounts", ())):
            if mount["name"] not in volumes:
                yield (
                    "FieldValueNotFound",
                    f"{place}.volumeMounts[{at}].name",
                    f'Not found: "{mount["name"]}"',
                )


def _data(kind: Kind, obj: Json) -> Iterator[Cause]:
    size = 0
    for key, value in (obj.get("data") or {}).items():
        if not _DATA_KEY.match(key) or len(key) > 253:
            yield (
                "FieldValueInvalid",
                f"data[{key}]",
                f"Invalid value: \"{key}\": a valid config key must consist of alphanumeric characters, '-', "
                "'_' or '.'",
            )
        size += len(value)
        if kind.kind == "Secret":
            try:
                base64.b64decode(value, validate=True)
            except (binascii.Error, ValueError):
                yield "FieldValueInvalid", f"data[{key}]", "Invalid value: illegal base64 data"
    if size > 1024 * 1024:
        yield "FieldValueTooLong", "data", "Too long: may not be more than 1048576 bytes"


def _service(spec: Json) -> Iterator[Cause]:
    ports = spec.get("ports") or []
    if not ports and spec.get("type") != "ExternalName" and spec.get("clusterIP") != "None":
        yield "FieldValueRequired", "spec.ports", "Required value"
    for index, port in enumerate(ports):
        if not 1 <= port["port"] <= 65535:
            yield (
                "FieldValueInvalid",
                f"spec.ports[{index}].port",
                f"Invalid value: {port['port']}: must be between 1 and 65535, inclusive",
            )
        if len(ports) > 1 and not port.get("name"):
            yield "FieldValueRequired", f"spec.ports[{index}].name", "Required value"


def _immutable(kind: Kind, live: Json, new: Json) -> Iterator[Cause]:
    before, after = live.get("spec") or {}, new.get("spec") or {}
    if kind.kind == "StatefulSet":
        changed = {f for f in {*before, *after} - _STATEFUL_SET_MAY_CHANGE if before.get(f) != after.get(f)}
        if changed:
            yield (
                "FieldValueForbidden",
                "spec",
                "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', "
                "'template', 'updateStrategy', 'revisionHistoryLimit', "
                "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
            )
    elif kind.kind in ("Deployment", "ReplicaSet", "DaemonSet", "Job"):
        if before.get("selector") != after.get("selector"):
            yield "FieldValueInvalid", "spec.selector", "Invalid value: field is immutable"
    elif kind.kind == "Service" and before.get("clusterIP") and after.get("clusterIP") != before["clusterIP"]:
        yield "FieldValueInvalid", "spec.clusterIPs[0]", "Invalid value: may not change once set"
    elif kind.kind == "PersistentVolumeClaim":
        yield from _claim_immutable(before, after)
    elif kind.kind in ("ConfigMap", "Secret"):
        yield from _data_immutable(live, new)
    elif kind.kind == "StorageClass":
        for field in ("provisioner", "parameters", "reclaimPolicy", "volumeBindingMode"):
            if live.get(field) != new.get(field):
                yield "FieldValueForbidden", field, f"Forbidden: updates to {field} are forbidden."
    elif kind.kind == "PriorityClass" and live.get("value") != new.get("value"):
        yield "FieldValueForbidden", "value", "Forbidden: may not be changed in an update."


def _claim_immutable(before: Json, after: Json) -> Iterator[Cause]:
    may_change = {"resources", "volumeAttributesClassName"} | (
        {"volumeName"} if not before.get("volumeName") else set()
    )
    if any(before.get(f) != after.get(f) for f in {*before, *after} - may_change):
        yield (
            "FieldValueForbidden",
            "spec",
            "Forbidden: spec is immutable after creation except resources.requests and "
            "volumeAttributesClassName for bound claims",
        )


def _data_immutable(live: Json, new: Json) -> Iterator[Cause]:
    if live.get("type") != new.get("type"):
        yield "FieldValueInvalid", "type", f'Invalid value: "{new.get("type")}": field is immutable'
    if live.get("immutable"):
        if not new.get("immutable"):
            yield "FieldValueForbidden", "immutable", "Forbidden: field is immutable when `immutable` is set"
        if live.get("data") != new.get("data"):
            yield "FieldValueForbidden", "data", "Forbidden: field is immutable when `immutable` is set"

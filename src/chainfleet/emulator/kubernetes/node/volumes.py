"""What a pod's containers see of its volumes: files from ConfigMaps and Secrets, and disks."""

from __future__ import annotations

import base64
import posixpath
from typing import Any

from ..store import Store
from .mounting import SecretMounts, of_driver

Json = dict[str, Any]


def missing(store: Store, pod: Json) -> list[str]:
    """ConfigMaps and Secrets that a pod can't start without, as events name them."""
    namespace = pod["metadata"]["namespace"]
    found = []
    for volume in pod["spec"].get("volumes", ()):
        for kind_id, kind, name, optional in _sources(volume):
            if not optional and store.get(kind_id, namespace, name) is None:
                found.append(
                    f'MountVolume.SetUp failed for volume "{volume["name"]}" : {kind} "{name}" not found'
                )
    return found


def missing_environment(store: Store, pod: Json, container: Json) -> str:
    """What of a container's environment can't be resolved; "" if all can."""
    namespace = pod["metadata"]["namespace"]
    references = [
        (source, ref)
        for variable in container.get("env", ())
        for source, ref in (variable.get("valueFrom") or {}).items()
    ]
    references += [
        (s, ref) for entry in container.get("envFrom", ()) for s, ref in entry.items() if s != "prefix"
    ]
    for source, ref in references:
        kind = {"configMapKeyRef": "configmaps", "configMapRef": "configmaps"}.get(source)
        kind = kind or {"secretKeyRef": "secrets", "secretRef": "secrets"}.get(source)
        if kind is None or ref.get("optional"):
            continue
        obj = store.find(kind, namespace, ref["name"])
        if obj is None:
            return f'{kind.removesuffix("s")} "{ref["name"]}" not found'
        if "key" in ref and ref["key"] not in (obj.get("data") or {}):
            return f"couldn't find key {ref['key']} in {kind.removesuffix('s')} {namespace}/{ref['name']}"
    return ""


def _sources(volume: Json) -> list[tuple[str, str, str, bool]]:
    found = []
    for part in (volume, *(volume.get("projected", {}).get("sources") or ())):
        if source := part.get("configMap"):
            found.append(("configmaps", "configmap", source["name"], bool(source.get("optional"))))
        if source := part.get("secret"):
            name = source.get("secretName") or source.get("name")
            found.append(("secrets", "secret", name, bool(source.get("optional"))))
    return found


def claims(pod: Json) -> list[str]:
    """Names of the PersistentVolumeClaims that a pod uses."""
    return [
        v["persistentVolumeClaim"]["claimName"]
        for v in pod["spec"].get("volumes", ())
        if "persistentVolumeClaim" in v
    ]


class MountedFiles:
    """The file system of one container, read from the cluster's objects when asked."""

    def __init__(self, store: Store, mounts: SecretMounts, pod: Json, container: Json) -> None:
        self._store = store
        self._secret_mounts = mounts
        self._pod = pod
        self._volumes = {v["name"]: v for v in pod["spec"].get("volumes", ())}
        self._mounts = sorted(
            container.get("volumeMounts", ()), key=lambda m: len(m["mountPath"]), reverse=True
        )

    def read(self, path: str) -> bytes | None:
        """A file from a mounted volume; None if there's none."""
        mount, inside = self._find(path)
        if mount is None:
            return None
        volume = self._volumes.get(mount["name"], {})
        if "subPath" in mount:
            inside = posixpath.join(mount["subPath"], inside) if inside else mount["subPath"]
        if "projected" in volume:
            for source in volume["projected"].get("sources") or ():
                if (found := self._from_source(source, inside)) is not None:
                    return found
            return None
        if of_driver(volume):
            return self._secret_mounts.read(self._pod, volume, inside)
        return self._from_source(volume, inside)

    def disk(self, path: str) -> str:
        """Which disk a path is on."""
        mount, inside = self._find(path)
        uid = self._pod["metadata"]["uid"]
        if mount is None:
            return f"container:{uid}:{path}"
        volume = self._volumes.get(mount["name"], {})
        claim = volume.get("persistentVolumeClaim", {}).get("claimName")
        if claim is None:
            return f"pod:{uid}:{mount['name']}:{inside}"
        found = self._store.find("persistentvolumeclaims", self._pod["metadata"]["namespace"], claim)
        return f"claim:{found['metadata']['uid'] if found else claim}:{inside}"

    def writable(self, path: str) -> bool:
        """Whether a file can be written there."""
        mount, _ = self._find(path)
        if mount is None:
            return True
        volume = self._volumes.get(mount["name"], {})
        return not mount.get("readOnly") and not volume.keys() & {"configMap", "secret", "projected", "csi"}

    def _find(self, path: str) -> tuple[Json | None, str]:
        path = posixpath.normpath(path)
        for mount in self._mounts:
            at = posixpath.normpath(mount["mountPath"])
            if path == at:
                return mount, ""
            if path.startswith(at.rstrip("/") + "/"):
                return mount, path[len(at.rstrip("/")) + 1 :]
        return None, ""

    def _from_source(self, source: Json, inside: str) -> bytes | None:
        namespace = self._pod["metadata"]["namespace"]
        if part := source.get("configMap"):
            obj = self._store.find("configmaps", namespace, part["name"])
            return _entry(obj, part.get("items"), inside, secret=False)
        if part := source.get("secret"):
            obj = self._store.find("secrets", namespace, part.get("secretName") or part.get("name"))
            return _entry(obj, part.get("items"), inside, secret=True)
        return None


def _entry(obj: Json | None, items: list[Json] | None, inside: str, *, secret: bool) -> bytes | None:
    if obj is None:
        return None
    key: str | None = inside
    if items:
        key = next((i["key"] for i in items if i["path"] == inside), None)
    if key is None:
        return None
    value = (obj.get("data") or {}).get(key)
    if value is not None:
        return base64.b64decode(value) if secret else str(value).encode()
    binary = (obj.get("binaryData") or {}).get(key)
    return base64.b64decode(binary) if binary is not None else None


def environment(store: Store, pod: Json, container: Json) -> dict[str, str]:
    """A container's environment, references resolved."""
    namespace = pod["metadata"]["namespace"]
    found: dict[str, str] = {}
    for entry in container.get("envFrom", ()):
        for source, kind in (("configMapRef", "configmaps"), ("secretRef", "secrets")):
            if source in entry:
                obj = store.find(kind, namespace, entry[source]["name"]) or {}
                for key, value in (obj.get("data") or {}).items():
                    text = base64.b64decode(value).decode() if kind == "secrets" else value
                    found[entry.get("prefix", "") + key] = text
    for variable in container.get("env", ()):
        value = variable.get("value", "")
        if "valueFrom" in variable:
            value = _reference(store, pod, variable["valueFrom"])
        for name, known in found.items():
            value = value.replace(f"$({name})", known)
        found[variable["name"]] = value
    return found


def _reference(store: Store, pod: Json, source: Json) -> str:
    namespace = pod["metadata"]["namespace"]
    if ref := source.get("fieldRef"):
        value: Any = pod
        for name in ref["fieldPath"].split("."):
            value = value.get(name, "") if isinstance(value, dict) else ""
        return str(value)
    if ref := source.get("configMapKeyRef"):
        obj = store.find("configmaps", namespace, ref["name"]) or {}
        return str((obj.get("data") or {}).get(ref["key"], ""))
    if ref := source.get("secretKeyRef"):
        obj = store.find("secrets", namespace, ref["name"]) or {}
        return base64.b64decode((obj.get("data") or {}).get(ref["key"], "")).decode()
    return ""

"""Volumes of the Secrets Store CSI driver, with its provider for Azure: what a pod gets from a key vault, or why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from ...seams import SecretRefused, SecretVaults, SecretWanted
from ..store import Store

Json = dict[str, Any]

DRIVER = "secrets-store.csi.k8s.io"
KIND_ID = "secretproviderclasses.secrets-store.csi.x-k8s.io"
_READABLE_BY_ALL = 0o004


@dataclass(frozen=True, slots=True)
class Mounted:
    """One file of such a volume. It belongs to root, so others read it only if its mode lets them."""

    text: str
    mode: int


class SecretMounts:
    """Mounts secrets for the pods of one cluster.

    Args:
        cluster: ARM id of the cluster.
        store: the cluster's objects.
        vaults: where secrets lie; None where no provider is installed.
    """

    def __init__(self, cluster: str, store: Store, vaults: SecretVaults | None) -> None:
        self._cluster = cluster
        self._store = store
        self._vaults = vaults

    def problem(self, pod: Json, volume: Json) -> str:
        """Why a volume can't be mounted, as the kubelet's event says it; empty if it can."""
        try:
            self._files(pod, volume)
        except SecretRefused as refused:
            meta = pod["metadata"]
            return (
                f'MountVolume.SetUp failed for volume "{volume["name"]}" : rpc error: code = Unknown desc = '
                f"failed to mount secrets store objects for pod {meta['namespace']}/{meta['name']}, err: {refused}"
            )
        return ""

    def read(self, pod: Json, volume: Json, path: str) -> bytes | None:
        """A file of a mounted volume, as the pod's user reads it; None if it can't.

        It is asked for anew each time: a real pod keeps what it got when it was started, which tells from this
        only where a secret changes while its pod lives.
        """
        try:
            found = self._files(pod, volume).get(path)
        except SecretRefused:
            return None
        if found is None or not (_is_root(pod) or found.mode & _READABLE_BY_ALL):
            return None
        return found.text.encode()

    def _files(self, pod: Json, volume: Json) -> dict[str, Mounted]:
        namespace = pod["metadata"]["namespace"]
        name = (volume["csi"].get("volumeAttributes") or {}).get("secretProviderClass", "")
        found = self._store.find(KIND_ID, namespace, name)
        if found is None:
            raise SecretRefused(
                f'failed to get secretproviderclass {namespace}/{name}, error: "{name}" not found'
            )
        if not volume["csi"].get("readOnly"):
            raise SecretRefused("readOnly is not set to true for this volume")
        spec = found.get("spec") or {}
        if self._vaults is None or spec.get("provider") != "azure":
            raise SecretRefused(f"error connecting to provider {spec.get('provider')!r}: provider not found")
        parameters = spec.get("parameters") or {}
        return {alias: self._mounted(wanted, mode) for alias, wanted, mode in self._wanted(pod, parameters)}

    def _wanted(self, pod: Json, parameters: Json) -> list[tuple[str, SecretWanted, int]]:
        for key in ("keyvaultName", "tenantId", "clientID", "objects"):
            if not parameters.get(key):
                raise SecretRefused(f"{key} is not provided")
        if parameters.get("usePodIdentity", "false") != "false":
            raise SecretRefused("pod identity is retired: usePodIdentity must be false")
        spec = pod["spec"]
        namespace, account = pod["metadata"]["namespace"], spec.get("serviceAccountName", "default")
        if self._store.get("serviceaccounts", namespace, account) is None:
            raise SecretRefused(f'serviceaccounts "{account}" not found')
        found = []
        for text in _yaml(parameters["objects"]).get("array") or ():
            entry = _yaml(text)
            if entry.get("objectType") != "secret":
                raise SecretRefused(f"invalid objectType: {entry.get('objectType')}")
            wanted = SecretWanted(
                cluster=self._cluster,
                subject=f"system:serviceaccount:{namespace}:{account}",
                tenant=parameters["tenantId"],
                client=parameters["clientID"],
                vault=parameters["keyvaultName"],
                name=str(entry["objectName"]),
                version=str(entry.get("objectVersion") or ""),
            )
            mode = int(str(entry.get("filePermission") or "0644"), 8)
            found.append((str(entry.get("objectAlias") or entry["objectName"]), wanted, mode))
        return found

    def _mounted(self, wanted: SecretWanted, mode: int) -> Mounted:
        assert self._vaults is not None
        try:
            return Mounted(self._vaults.secret(wanted), mode)
        except SecretRefused as refused:
            raise SecretRefused(
                f"failed to get objectType:secret, objectName:{wanted.name}, "
                f"objectVersion:{wanted.version}: {refused}"
            ) from refused


def _yaml(text: object) -> Json:
    try:
        found = yaml.safe_load(str(text))
    except yaml.YAMLError as error:
        raise SecretRefused(f"failed to yaml unmarshal objects, error: {error}") from error
    if not isinstance(found, dict):
        raise SecretRefused("failed to yaml unmarshal objects")
    return found


def _is_root(pod: Json) -> bool:
    return not (pod["spec"].get("securityContext") or {}).get("runAsUser")


def of_driver(volume: Json) -> bool:
    """Whether the driver mounts that volume."""
    return bool((volume.get("csi") or {}).get("driver") == DRIVER)

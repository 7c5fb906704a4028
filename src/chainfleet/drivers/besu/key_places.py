"""Objects that hold node keys where the fleet doesn't want them any more: found, and removed once no pod needs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chainfleet.drivers.kubernetes import names
from chainfleet.drivers.kubernetes.matching import HASH_ANNOTATION
from chainfleet.drivers.kubernetes.names import Manifest
from chainfleet.drivers.kubernetes.region_task import RegionTask
from chainfleet.model.errors import TaskFailed

_SECRET, _MOUNT = "Secret", "SecretProviderClass"


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What is left of the other way of giving validators their keys.

    Attributes:
        kind: kind of these objects.
        free: names of those that no pod needs.
        needed: names of those that a pod mounts which was started before the fleet changed.
    """

    kind: str
    free: tuple[str, ...]
    needed: tuple[str, ...]


async def key_objects(task: RegionTask, kind: str = _MOUNT) -> list[Manifest]:
    """A region's objects of a kind that has to do with keys, as far as we made them.

    None where the cluster doesn't know that kind: the CSI driver brings it.
    """
    if kind == _MOUNT and task.region.cloud != "azure":
        return []
    try:
        found = await task.cluster.list_objects(kind, names.NAMESPACE, names.VALIDATOR_SELECTOR)
    except TaskFailed as error:
        if error.fingerprint.startswith("kubernetes:404"):
            return []
        raise
    return [item for item in found if HASH_ANNOTATION in (item["metadata"].get("annotations") or {})]


async def leftovers(task: RegionTask) -> Leftovers:
    """Look what is left of the way that the fleet doesn't take (any more)."""
    kind = _SECRET if task.attempt.fleet.network.node_keys == "vault" else _MOUNT
    held = await key_objects(task, kind)
    if not held:
        return Leftovers(kind, (), ())
    pods = await task.cluster.list_objects("Pod", names.NAMESPACE, names.VALIDATOR_SELECTOR)
    mounted = {name for pod in pods for name in _mounted(pod, kind)}
    found = sorted(str(item["metadata"]["name"]) for item in held)
    return Leftovers(
        kind, tuple(n for n in found if n not in mounted), tuple(n for n in found if n in mounted)
    )


async def remove_leftovers(task: RegionTask) -> bool:
    """Delete what no pod needs; returns whether there was any. What is needed is told to the operator."""
    found = await leftovers(task)
    for name in found.free:
        task.attempt.fence()
        await task.cluster.delete(found.kind, name, names.NAMESPACE)
        task.attempt.log(f"deleted {found.kind}/{name}")
    for name in found.needed:
        task.attempt.log(f"{found.kind}/{name} stays until its validator is restarted: a pod still mounts it")
    return bool(found.free)


def _mounted(pod: Manifest, kind: str) -> list[str]:
    volumes: list[dict[str, Any]] = pod["spec"].get("volumes") or []
    if kind == _SECRET:
        return [str(v["secret"].get("secretName")) for v in volumes if v.get("secret")]
    sources = [v["csi"].get("volumeAttributes") or {} for v in volumes if v.get("csi")]
    return [str(source.get("secretProviderClass")) for source in sources]

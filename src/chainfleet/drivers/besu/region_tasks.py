"""The tasks that work in one region: its validators' objects, and their start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

from chainfleet.drivers.driver import Attempt, Outcome
from chainfleet.drivers.kubernetes import names
from chainfleet.drivers.kubernetes.client import Cluster, RpcError
from chainfleet.drivers.kubernetes.matching import owns
from chainfleet.drivers.kubernetes.names import Manifest, manifest
from chainfleet.drivers.kubernetes.region_task import RegionTask
from chainfleet.model.errors import ErrorClass, TaskFailed

from . import artefacts
from .key_places import key_objects, leftovers, remove_leftovers
from .keys import Validator
from .manifests import render_region
from .node import Node
from .pacing import Pace
from .policy import policy_breaches
from .readiness import is_running, until_ready
from .vault import NodeKeys, Vault, vault_of


class ConfigTask:
    """`besu/config/{region}`: everything a region's validators need, with none of them running yet."""

    def __init__(self) -> None:
        self._keys = NodeKeys()

    async def observe(self, attempt: Attempt) -> Outcome | None:
        """Return the outcome if every key lies where it belongs and every object is as wanted."""
        task = await RegionTask.of(attempt)
        vault = vault_of(attempt, task.region)
        if vault is not None:
            held = await self._keys.versions(attempt, task.region, vault)
            vault = replace(vault, versions={index: v for index, v in held.items() if v is not None})
            if len(vault.versions) < len(held):
                return None
        wanted = self._render(task, vault)
        async with task.expiring_credentials():
            if not await task.cluster.are_applied(wanted):
                return None
            if (await leftovers(task)).free:
                return None
        return Outcome(self._outputs(wanted), changed=False)

    async def change(self, attempt: Attempt) -> Outcome:
        """Put the keys where they belong and apply the objects; a validator that runs is left running."""
        task = await RegionTask.of(attempt)
        vault = vault_of(attempt, task.region)
        if vault is not None:
            attempt.progress("putting keys into the vault")
            versions = await self._keys.put(attempt, task.region, vault)
            vault = replace(vault, versions=versions)
        wanted = self._render(task, vault)
        async with task.expiring_credentials():
            await self._stay_at_zero(task.cluster, wanted, attempt)
            applied = await task.cluster.apply(wanted, fence=attempt.fence)
            gone = await remove_leftovers(task)
        task.log_applied(applied)
        return Outcome(self._outputs(wanted), changed=bool(applied.changed) or gone)

    async def undo(self, attempt: Attempt) -> Outcome:
        """Delete the objects; claims and their disks stay."""
        task = await RegionTask.of(attempt)
        gone = 0
        for kind in ("StatefulSet", "Service", "PodDisruptionBudget", "Secret", "ConfigMap"):
            for item in await task.cluster.list_objects(kind, names.NAMESPACE, names.VALIDATOR_SELECTOR):
                attempt.fence()
                gone += await task.cluster.delete(kind, item["metadata"]["name"], names.NAMESPACE)
        for item in await key_objects(task):
            attempt.fence()
            gone += await task.cluster.delete(item["kind"], item["metadata"]["name"], names.NAMESPACE)
        return Outcome({}, changed=gone > 0)

    def _render(self, task: RegionTask, vault: Vault | None) -> list[Manifest]:
        made = artefacts.region_artefacts(task.attempt, task.region, vault)
        manifests = render_region(task.attempt.fleet, task.region, made)
        breaches = policy_breaches(manifests)
        if breaches:
            raise TaskFailed(
                ErrorClass.CONFIGURATION,
                f"rendered objects break the policy: {breaches[0]}",
                way_out="report it: what chainfleet renders has to keep the policy",
            )
        return manifests

    async def _stay_at_zero(self, cluster: Cluster, wanted: Sequence[Manifest], attempt: Attempt) -> None:
        """See that the scaling manager owns every StatefulSet's replicas, 0 for those that are new.

        Then a later apply of the configuration, which names no replicas, neither stops a validator
        nor, by giving the field up, lets it fall back to the API's default of one.
        """
        live = await cluster.live(wanted)
        for item in wanted:
            if item["kind"] != "StatefulSet":
                continue
            name = item["metadata"]["name"]
            found = live.get(("StatefulSet", name))
            if found is None:
                attempt.fence()
                found = await cluster.patch(with_replicas(item, 0), manager=names.FIELD_MANAGER)
            if not owns(found, names.SCALE_MANAGER, "spec", "replicas"):
                attempt.fence()
                replicas = found["spec"].get("replicas", 0)
                await cluster.patch(replicas_only(name, replicas), manager=names.SCALE_MANAGER)

    def _outputs(self, manifests: Sequence[Manifest]) -> dict[str, Any]:
        sets = [m["metadata"]["name"] for m in manifests if m["kind"] == "StatefulSet"]
        return {"objects": len(manifests), "validators": sets}


class StartTask:
    """`besu/start/{region}-{i}`: the validator runs, with the right key and the right block 0."""

    async def observe(self, attempt: Attempt) -> Outcome | None:
        """Return the outcome if it runs and is who it should be."""
        task, index = await self._place(attempt)
        async with task.expiring_credentials():
            live = await task.cluster.get("StatefulSet", names.validator(index), names.NAMESPACE)
            if not is_running(live):
                return None
            try:
                outputs = await self._check(attempt, task, index)
            except TaskFailed as error:
                if error.error_class is ErrorClass.CONFIGURATION:
                    raise
                return None
        return Outcome(outputs, changed=False)

    async def change(self, attempt: Attempt) -> Outcome:
        """Start it, wait until it is ready, and check who it is.

        Raises:
            TaskFailed: CHAIN_NOT_READY or TIMEOUT if it doesn't come; CONFIGURATION if it is a stranger.
        """
        task, index = await self._place(attempt)
        pace = Pace.of(attempt)
        async with task.expiring_credentials():
            attempt.progress("starting")
            changed = await scale(task.cluster, index, 1, attempt)
            attempt.progress("waiting until ready")
            await until_ready(task.cluster, index, pace, attempt.task.timeout_s * 0.8)
            outputs = await pace.until_answer(
                lambda: self._check(attempt, task, index), pace.scaled(120, least=15)
            )
        return Outcome(outputs, changed=changed)

    async def undo(self, attempt: Attempt) -> Outcome:
        """Stop it."""
        task, index = await self._place(attempt)
        if await task.cluster.get("StatefulSet", names.validator(index), names.NAMESPACE) is None:
            return Outcome({}, changed=False)
        return Outcome({}, changed=await scale(task.cluster, index, 0, attempt))

    async def _place(self, attempt: Attempt) -> tuple[RegionTask, int]:
        name, _, index = attempt.task.subject.rpartition("-")
        return await RegionTask.of(attempt, name), int(index)

    async def _check(self, attempt: Attempt, task: RegionTask, index: int) -> dict[str, Any]:
        node = Node(task.cluster, task.region.name, index, attempt.fleet.network.rpc_port)
        expected = _validator(attempt, task.region.name, index)
        wanted = str(artefacts.required_outputs(attempt, "besu/genesis/network")["genesis_hash"])
        try:
            (genesis, _), key = await node.heads(), await node.public_key()
        except RpcError as error:
            raise TaskFailed(ErrorClass.CHAIN_NOT_READY, f"{node.name}: {error}") from error
        if genesis != wanted:
            message = f"{node.name} has genesis {genesis}, the network has {wanted}"
            raise TaskFailed(
                ErrorClass.CONFIGURATION, message, way_out="its disk holds another chain: wipe it"
            )
        if key is not None and key != expected.public_key:
            message = f"{node.name} runs with another key than {expected.address}'s"
            kind = "Secret" if attempt.fleet.network.node_keys == "secret" else "the key vault's secret"
            raise TaskFailed(
                ErrorClass.CONFIGURATION, message, way_out=f"check {kind} {names.key_secret(index)}"
            )
        return {"address": expected.address, "genesis_hash": genesis}


def with_replicas(stateful_set: Manifest, replicas: int) -> Manifest:
    """Return a StatefulSet's manifest with a number of replicas."""
    return {**stateful_set, "spec": {"replicas": replicas, **stateful_set["spec"]}}


def replicas_only(name: str, replicas: int) -> Manifest:
    """Return a manifest that says nothing of a StatefulSet but its replicas."""
    return manifest("apps/v1", "StatefulSet", name, namespace=names.NAMESPACE, spec={"replicas": replicas})


class Effects(Protocol):
    """Who has effects: an attempt, or an operation on a living network."""

    @property
    def log(self) -> Callable[[str], None]:
        """Takes a line for the operator."""
        ...

    @property
    def fence(self) -> Callable[[], None]:
        """Raises LeaseLost when effects are no longer allowed."""
        ...


async def scale(cluster: Cluster, index: int, replicas: int, attempt: Effects) -> bool:
    """Set a validator's replicas (0 or 1) as the scaling manager; return whether that changed anything."""
    name = names.validator(index)
    live = await cluster.get("StatefulSet", name, names.NAMESPACE)
    if live is None:
        message = f"validator {index} in {cluster.name} isn't configured"
        raise TaskFailed(ErrorClass.CONFIGURATION, message, way_out=f"run besu/config/{cluster.name} first")
    if live["spec"].get("replicas") == replicas and owns(live, names.SCALE_MANAGER, "spec", "replicas"):
        return False
    attempt.fence()
    head = {"apiVersion": "apps/v1", "kind": "StatefulSet"}
    wanted = {
        **head,
        "metadata": {"name": name, "namespace": names.NAMESPACE},
        "spec": {"replicas": replicas},
    }
    # Forced: a person who scaled it by hand owns the field, but the fleet decides.
    after = await cluster.patch(wanted, manager=names.SCALE_MANAGER, force=True)
    attempt.log(f"scaled {name} to {replicas}")
    return bool(live["metadata"].get("resourceVersion") != after["metadata"].get("resourceVersion"))


def _validator(attempt: Attempt, region: str, index: int) -> Validator:
    for validator in artefacts.validators(attempt):
        if (validator.region, validator.index) == (region, index):
            return validator
    raise TaskFailed(
        ErrorClass.CONFIGURATION,
        f"there is no key of {region}-{index}",
        way_out="run from where the keys were made, or restore that folder",
    )

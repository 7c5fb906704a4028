"""One emulated cluster put together: objects, controllers, nodes, API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..seams import ClusterSpec, NodePool
from .api import Api
from .control.cluster import Definitions, Disks, Garbage, Namespaces, register, set_nodes
from .control.deployments import Deployments, ReplicaSets
from .control.manager import Manager
from .control.others import Budgets, DaemonSets, Jobs
from .control.services import Services
from .control.statefulsets import StatefulSets
from .node.kubelet import Kubelet
from .node.watchers import Watchers
from .proxying import Proxy
from .store import Change
from .world import World

Json = dict[str, Any]

_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


class Cluster:
    """A cluster that runs."""

    def __init__(self, world: World, token: str) -> None:
        self.world = world
        self.token = token
        self.api = Api(world.objects, world.spec.kubernetes_version, world.wall)
        self.kubelet = Kubelet(world)
        self.proxy = Proxy(world.store, self.kubelet, Watchers(world))
        self._services = Services(world)
        self._manager = Manager(
            world,
            [
                Namespaces(world),
                StatefulSets(world),
                Deployments(world),
                ReplicaSets(world),
                DaemonSets(world),
                Jobs(world),
                Budgets(world),
                Disks(world),
                self._services,
                Garbage(world),
                Definitions(world),
            ],
        )

    @property
    def spec(self) -> ClusterSpec:
        """What ARM asked for."""
        return self.world.spec

    def start(self) -> None:
        """Begin to work: furnish a new cluster, or go on with a loaded one."""
        store = self.world.store
        store.listen(self._note)
        fresh = store.find("namespaces", "", "default") is None
        if fresh:
            self._furnish()
        else:
            for definition in store.all("customresourcedefinitions.apiextensions.k8s.io"):
                register(self.world.objects.kinds, definition)
            self.kubelet.start()
            for kind_id in store.kinds():
                for item in store.items(kind_id):
                    self._manager.note(Change(0, "MODIFIED", kind_id, item, item))

    async def stop(self) -> None:
        """Stop working; the objects stay as they are."""
        await self._manager.stop()
        await self._services.stop()
        await self.kubelet.stop()
        self.world.addresses.withdraw(self.spec.id)

    def set_nodes(self, pools: Mapping[str, NodePool]) -> None:
        """Tell how many nodes each pool has."""
        set_nodes(self.world, pools)

    def _note(self, change: Change) -> None:
        self._manager.note(change)
        self.kubelet.note(change)

    def _furnish(self) -> None:
        objects = self.world.objects
        for name in _NAMESPACES:
            objects.make("Namespace", {"metadata": {"name": name}}, "kube-apiserver")
        for name, attributes in (("default", "StandardSSD_LRS"), ("managed-csi-premium", "Premium_LRS")):
            objects.make(
                "StorageClass",
                {
                    "metadata": {"name": name},
                    "provisioner": "disk.csi.azure.com",
                    "parameters": {"skuname": attributes},
                    "reclaimPolicy": "Delete",
                    "volumeBindingMode": "WaitForFirstConsumer",
                    "allowVolumeExpansion": True,
                },
                "aks-addon-manager",
            )
        service = {
            "metadata": {"name": "kubernetes", "namespace": "default"},
            "spec": {"clusterIP": "10.0.0.1", "ports": [{"name": "https", "port": 443, "targetPort": 443}]},
        }
        objects.make("Service", service, "kube-apiserver")
        objects.counters.changes = 0

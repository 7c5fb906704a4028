"""Clusters: how they are reached, what is applied to them, and what makes them fit for validators."""

from .access import clusters
from .client import Applied, Cluster, RpcError
from .driver import KubernetesDriver

__all__ = ["Applied", "Cluster", "KubernetesDriver", "RpcError", "clusters"]

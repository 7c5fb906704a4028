"""The Besu network: keys, genesis, peers, node configuration, its objects and its life."""

from .driver import BesuDriver
from .manifests import Artefacts, render_region

__all__ = ["Artefacts", "BesuDriver", "render_region"]

"""The parts that other packages of the emulator bring: Kubernetes with its chains, and the azapi provider."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from chainfleet.model.errors import EnvironmentProblem

from .arm.addresses import AddressPool
from .arm.resources import Store
from .arm.vaults import KeyVaults
from .clock import ScaledClock
from .core import Core
from .seams import ClusterEndpoint, Clusters, ClusterSpec, Faults, NodePool, Tls, Traffic
from .settings import Settings
from .state import Keeper

if TYPE_CHECKING:
    from .besu import BesuWorld
    from .chain import Mainnet
    from .kubernetes import EmulatedClusters

log = logging.getLogger(__name__)
_READY_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Shared:
    """What the parts of one emulator share.

    Attributes:
        store: ARM's resources, for public addresses.
        vaults: what lies in ARM's key vaults, for pods.
        core: keys, ports and the emulated time of day.
        folder: the state folder.
        closing: what is started is stopped through it, in reverse order.
        figures: what parts tell about themselves in the control API, by part.
    """

    settings: Settings
    clock: ScaledClock
    faults: Faults
    store: Store
    vaults: KeyVaults
    tls: Tls
    traffic: Traffic
    keeper: Keeper
    core: Core
    folder: Path
    closing: contextlib.AsyncExitStack
    figures: dict[str, Callable[[], Any]]


class NoClusters:
    """The Kubernetes side of an emulator that runs ARM alone: clusters exist, their APIs refuse connections.

    Args:
        ca_pem: certificate authority that kubeconfigs name.
    """

    def __init__(self, ca_pem: str) -> None:
        self._ca_pem = ca_pem

    async def start(self) -> None:
        """There is nothing to start."""

    async def open(self, spec: ClusterSpec) -> ClusterEndpoint:
        """An address that nobody answers at (port 9 is the discard service's, which nothing runs)."""
        log.warning("cluster %s: no Kubernetes part is running, its API won't answer", spec.id)
        return ClusterEndpoint("https://127.0.0.1:9", self._ca_pem, "no-kubernetes-part")

    async def close(self, cluster_id: str) -> None:
        """Nothing is open."""

    async def set_nodes(self, cluster_id: str, pools: Mapping[str, NodePool]) -> None:
        """Nothing is open."""


def part(module: str) -> ModuleType:
    """Import a part.

    Raises:
        EnvironmentProblem: it isn't installed.
    """
    try:
        return importlib.import_module(f"chainfleet.emulator.{module}")
    except ImportError as error:
        raise EnvironmentProblem(
            f"the emulator's part '{module}' can't be loaded: {error}",
            way_out="install chainfleet with its extra 'emulator'",
        ) from error


def make_clusters(shared: Shared) -> tuple[Clusters, Callable[[], Awaitable[None]]]:
    """The Kubernetes side, if the settings ask for it, and what starts it.

    Pods of a resumed state go on at once and mount secrets from key vaults, so ARM's state has to be there before.

    Raises:
        EnvironmentProblem: it is missing.
    """
    if "kubernetes" not in shared.settings.parts:
        nobody = NoClusters(shared.tls.ca_pem)
        return nobody, nobody.start
    kubernetes = part("kubernetes")
    besu = _open_besu(shared) if "chain" in shared.settings.parts else None
    clusters: EmulatedClusters = kubernetes.EmulatedClusters(
        clock=shared.clock,
        faults=shared.faults,
        public=AddressPool(shared.store),
        vaults=shared.vaults,
        tls=shared.tls,
        traffic=shared.traffic,
        seed=shared.settings.seed,
        changed=shared.keeper.dirty("kubernetes"),
        **({"programs": besu.program, "addresses": besu.addresses} if besu else {}),
    )
    shared.keeper.keep("kubernetes", clusters)
    shared.figures["kubernetes"] = clusters.stats
    shared.closing.push_async_callback(clusters.stop)
    return clusters, clusters.start


def _open_besu(shared: Shared) -> BesuWorld:
    besu: BesuWorld = part("besu").BesuWorld(
        clock=shared.clock,
        anvil=part("chain").find_anvil(os.environ),
        folder=_chain_folder(shared),
        wall=shared.core.wall,
        seed=shared.settings.seed,
        changed=shared.keeper.dirty("besu"),
        faults=shared.faults,
    )
    shared.keeper.keep("besu", besu)
    shared.figures["besu"] = besu.stats
    shared.closing.push_async_callback(besu.stop)
    return besu


def _chain_folder(shared: Shared) -> Path:
    folder = shared.folder / "chain"
    folder.mkdir(exist_ok=True, mode=0o700)
    return folder


async def open_terraform(shared: Shared, variables: Mapping[str, str]) -> dict[str, str]:
    """Start the stand-in azapi provider, if the settings ask for it; returns variables of its users.

    Raises:
        EnvironmentProblem: it can't start.
    """
    if "azapi" not in shared.settings.parts:
        return {}
    terraform = Terraform()
    shared.closing.push_async_callback(terraform.stop)
    return {"TF_REATTACH_PROVIDERS": await terraform.start(variables)}


async def open_mainnet(shared: Shared) -> dict[str, str]:
    """Start the emulated Mainnet, if the settings ask for it; returns variables of its users.

    Raises:
        EnvironmentProblem: anvil is missing or can't start.
    """
    if "chain" not in shared.settings.parts:
        return {}
    chain = part("chain")
    mainnet: Mainnet = chain.Mainnet(
        chain.find_anvil(os.environ),
        shared.clock,
        deployer_key=shared.core.deployer_key,
        folder=_chain_folder(shared),
        wall=shared.core.wall,
        port=shared.core.ports.get("mainnet", 0),
    )
    shared.closing.push_async_callback(mainnet.stop)
    await mainnet.start()
    shared.figures["mainnet"] = mainnet.stats
    shared.core.ports["mainnet"] = mainnet.anvil.port
    return {"MAINNET_RPC_URL": mainnet.url}


class Terraform:
    """The stand-in azapi provider: a child process that serves all Terraform roots."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    async def start(self, variables: Mapping[str, str]) -> str:
        """Start it; returns the value of TF_REATTACH_PROVIDERS.

        Raises:
            EnvironmentProblem: it ends or stays silent.
        """
        # Its standard input is a pipe that we hold: it ends with us, even if we are killed.
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "chainfleet.emulator.azapi",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, **variables},
        )
        assert self._process.stdout is not None
        line = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_READY_WITHIN_S):
                line = await self._process.stdout.readline()
        if not line:
            raise EnvironmentProblem(
                "the stand-in azapi provider didn't start",
                way_out="see its messages above, or in emulator.log",
            )
        return line.decode().strip()

    async def stop(self) -> None:
        """End it."""
        await end(self._process)


async def end(process: asyncio.subprocess.Process | None) -> None:
    """End a child: ask, wait, then kill."""
    if process is None or process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(5.0):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()

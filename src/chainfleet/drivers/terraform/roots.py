"""Terraform roots: which module and which variables make up a region's stage, and where they lie.

A root is a folder `workspace/terraform/{region}/{stage}` with a copy of the module, its variables, its state
and a note of what was applied last. Copies, not links: a root keeps working when chainfleet is upgraded.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from chainfleet.drivers.azure import setting
from chainfleet.drivers.driver import Attempt
from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.fleet import CloudSettings, Fleet, Region
from chainfleet.model.region import azure_regions

from . import backend

VARIABLES = "fleet.auto.tfvars.json"
STATE = "terraform.tfstate"
APPLIED = ".chainfleet-applied.json"
_COPY = ".chainfleet-state.json"
STATES = (STATE, _COPY)
"""Names of states in roots: their own, or the copy of what lies in a backend."""

_STAGES = {"network": "network", "cluster": "region"}
"""Stage of each action of the plan; the action is the word for operators, the stage the module's name."""

_SOURCE = re.compile(r'^\s*source\s*=\s*"([^"/]+/[^"]+)"', re.MULTILINE)


def stage_of(action: str) -> str:
    """Name of the module, and of the root's folder, that carries out an action."""
    return _STAGES[action]


@dataclass(frozen=True, slots=True)
class Root:
    """One root, computed but not written.

    Attributes:
        folder: where it lies.
        files: its files except state: name and text.
        fingerprint: equal for equal files.
        providers: providers that it needs, as written in it.
    """

    folder: Path
    files: Mapping[str, str]
    fingerprint: str
    providers: frozenset[str]

    @property
    def remote(self) -> bool:
        """Whether its state lies in a backend; its folder then holds a copy."""
        return backend.FILE in self.files

    @property
    def state(self) -> Path:
        """Its state, or the copy of it that was pulled last."""
        return self.folder / (_COPY if self.remote else STATE)

    def write(self) -> None:
        """Write its files where they differ; files of an older module go.

        Raises:
            TaskFailed: the folder can't be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for old in (*self.folder.glob("*.tf"), self.folder / backend.FILE):
                if old.name not in self.files and old.exists():
                    old.unlink()
            for name, text in self.files.items():
                path = self.folder / name
                path.parent.mkdir(exist_ok=True)
                if not path.exists() or path.read_text(encoding="utf-8") != text:
                    path.write_text(text, encoding="utf-8")
        except OSError as error:
            message = f"can't write {self.folder}: {error.strerror or error}"
            raise TaskFailed(
                ErrorClass.CONFIGURATION,
                message,
                way_out="check permissions and free space of the state folder",
            ) from error


def root_of(attempt: Attempt, modules: Path) -> Root:
    """The root of a task `infrastructure/{network,cluster}/{region}`.

    Raises:
        TaskFailed: the region's cloud has no modules, or an output that it needs is missing.
    """
    region = attempt.fleet.region(attempt.task.subject)
    stage = stage_of(attempt.task.action)
    source = modules / region.cloud / stage
    if not source.is_dir():
        message = f"region {region.name}: there are no Terraform modules for cloud `{region.cloud}`"
        raise TaskFailed(ErrorClass.CONFIGURATION, message, way_out="use cloud azure, or kubeconfig")
    values = _network_values if stage == "network" else _region_values
    variables = _common_values(attempt.fleet, region, attempt.environ) | values(attempt, region)
    files = dict(_module(source)) | {VARIABLES: json.dumps(variables, indent=2, sort_keys=True) + "\n"}
    files |= backend_of(attempt, region.name)
    return root_with(attempt.workspace / "terraform" / region.name / stage, files)


def backend_of(attempt: Attempt, region: str) -> dict[str, str]:
    """The file that puts the root's state into the fleet's backend, by its name; empty where states are local."""
    declared = attempt.fleet.deployment.state
    if declared is None or attempt.environ.get(backend.LOCAL_STATE) == "1":
        return {}
    stage = stage_of(attempt.task.action)
    return {
        backend.FILE: backend.backend_file(declared, fleet=attempt.fleet.name, region=region, stage=stage)
    }


def root_as_written(attempt: Attempt) -> Root:
    """The root as it lies in the workspace: what is to be destroyed was made from that."""
    folder = attempt.workspace / "terraform" / attempt.task.subject / stage_of(attempt.task.action)
    patterns = ("*.tf", ".terraform.lock.hcl", VARIABLES, backend.FILE)
    names = [path for pattern in patterns for path in folder.glob(pattern)]
    return root_with(folder, {path.name: path.read_text(encoding="utf-8") for path in names})


def root_with(folder: Path, files: Mapping[str, str]) -> Root:
    """A root of these files."""
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(f"{name}\0{files[name]}\0".encode())
    providers = frozenset(name for text in files.values() for name in _SOURCE.findall(text))
    return Root(folder, files, digest.hexdigest(), providers)


@cache
def _module(source: Path) -> tuple[tuple[str, str], ...]:
    names = sorted([*source.glob("*.tf"), *source.glob(".terraform.lock.hcl")])
    return tuple((path.name, path.read_text(encoding="utf-8")) for path in names)


def _common_values(fleet: Fleet, region: Region, environ: Mapping[str, str]) -> dict[str, Any]:
    return {
        "account_id": setting(fleet.clouds.account_of(region.cloud), environ),
        "fleet": fleet.name,
        "prefix": fleet.clouds.settings_of(region.cloud).resource_prefix or fleet.name,
        "region": region.name,
        "zones": _zones(region),
    }


def _zones(region: Region) -> list[str]:
    """Azure's zones are numbered; for the other clouds the module asks, or leaves the choice to the cloud."""
    facts = azure_regions().get(region.name) if region.cloud == "azure" else None
    return [str(number + 1) for number in range(min(3, facts.zones if facts else 0))]


def _network_values(attempt: Attempt, region: Region) -> dict[str, Any]:
    return {
        "cidr": str(region.cidr),
        "validators": attempt.fleet.validators_of(region),
        "p2p_port": attempt.fleet.network.p2p_port,
    }


def _region_values(attempt: Attempt, region: Region) -> dict[str, Any]:
    settings = attempt.fleet.clouds.settings_of(region.cloud)
    task = f"infrastructure/network/{region.name}"
    network = _outputs(attempt, task)
    names = [each.name for each in attempt.fleet.regions]
    passed_on = ("group", "node_subnet_ids", "pod_subnet_ids", "egress_public_ip_id")
    unknown = [name for name in passed_on if name not in network]
    if unknown:
        message = f"{task} doesn't tell {', '.join(unknown)} before all of it exists"
        raise TaskFailed(ErrorClass.CONFIGURATION, message, way_out="deploy the region's network first")
    tenant = attempt.fleet.clouds.azure.tenant_id if region.cloud == "azure" else ""
    return {
        **{name: network[name] for name in passed_on},
        "tenant_id": setting(tenant, attempt.environ),
        "kubernetes_version": settings.kubernetes_version,
        "system_vm_size": settings.system_vm_size,
        "system_nodes": settings.system_nodes,
        "validator_vm_size": settings.validator_vm_size,
        "validator_nodes": settings.validator_nodes,
        # Each region of a fleet has its own window, so no two are upgraded at once (42 windows a week).
        "maintenance_slot": names.index(region.name),
        **_restrictions(settings),
        **_vault_access(attempt.fleet, settings),
    }


def _restrictions(settings: CloudSettings) -> dict[str, Any]:
    """What the fleet says against the modules' defaults; a root that says nothing stays as it was applied."""
    values: dict[str, Any] = {
        "authorized_ip_ranges": [str(each) for each in settings.authorized_ip_ranges],
        "administrator_groups": list(settings.administrator_groups),
        "log_retention_days": settings.log_retention_days,
    }
    return {name: value for name, value in values.items() if value}


def _vault_access(fleet: Fleet, settings: CloudSettings) -> dict[str, Any]:
    """Who may reach the key vault from outside: whoever writes keys into it; nobody where they don't lie there."""
    if fleet.network.node_keys != "vault":
        return {}
    return {"vault_allowed_ips": [str(each) for each in settings.authorized_ip_ranges]}


def _outputs(attempt: Attempt, task: str) -> Mapping[str, Any]:
    try:
        return attempt.outputs(task)
    except KeyError:
        message = f"{task} has left no outputs yet"
        way_out = "deploy the region's network first"
        raise TaskFailed(ErrorClass.CONFIGURATION, message, way_out=way_out) from None

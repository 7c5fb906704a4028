"""One root per region and stage, k regions in one root, or all in one: wall time, CPU and memory.

    .venv/bin/python benchmarks/terraform/layouts.py [--regions 24] [--time-scale 60]

The same modules in every layout, on the emulated cloud with one shared provider; `-parallelism=128` everywhere.
Memory is the peak PSS of all Terraform processes together, CPU what they used.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil

from chainfleet.drivers.terraform.modules import modules_folder
from chainfleet.drivers.terraform.tool import check_tool
from chainfleet.emulator.client import Running, start
from chainfleet.model.region import region_set

SAMPLE_S = 0.2


def write_root(folder: Path, stage: str, values: dict[str, dict[str, Any]]) -> None:
    """A root that makes the stage of these regions through the module, without the module's own provider block."""
    module = folder / stage
    module.mkdir(parents=True)
    for path in (modules_folder() / "azure" / stage).glob("*.tf"):
        text = re.sub(r'^provider "azapi" \{\}$', "", path.read_text(), flags=re.MULTILINE)
        (module / path.name).write_text(text)
    names = re.findall(r'^variable "(\w+)"', (module / "variables.tf").read_text(), re.MULTILINE)
    given = [name for name in names if name in next(iter(values.values()))]
    arguments = "\n".join(f"  {name} = each.value.{name}" for name in given)
    (folder / "main.tf").write_text(
        'terraform {\n  required_providers {\n    azapi = { source = "Azure/azapi" }\n  }\n}\nprovider "azapi" {}\n'
        f'variable "regions" {{ type = any }}\nmodule "region" {{\n  for_each = var.regions\n'
        f'  source = "./{stage}"\n{arguments}\n}}\noutput "all" {{ value = module.region }}\n'
    )
    (folder / "in.auto.tfvars.json").write_text(json.dumps({"regions": values}))


def apply(folder: Path, environ: dict[str, str]) -> dict[str, Any]:
    command = [*check_tool(environ).command]
    # Local modules have to be put in place; the provider is attached.
    for words in (["get"], ["apply", "-auto-approve", "-input=false", "-refresh=false", "-parallelism=128"]):
        done = subprocess.run(
            [*command, *words, "-no-color"],
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
    state = json.loads((folder / "terraform.tfstate").read_text())
    outputs: dict[str, Any] = state["outputs"]["all"]["value"]
    return outputs


class Memory:
    """Samples the PSS of all Terraform processes below this one."""

    def __enter__(self) -> Memory:
        self.peak, self._stop = 0.0, threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            total = 0.0
            for child in psutil.Process().children(recursive=True):
                try:
                    if "terraform" in child.name() or "tofu" in child.name():
                        total += child.memory_full_info().pss / 2**20
                except (psutil.NoSuchProcess, psutil.AccessDenied):
                    continue
            self.peak = max(self.peak, total)


def deploy(cloud: Running, names: Sequence[str], size: int, folder: Path, prefix: str) -> None:
    environ = {**os.environ, **cloud.environment, "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}
    account = {
        "account_id": cloud.environment["ARM_SUBSCRIPTION_ID"],
        "fleet": prefix,
        "prefix": prefix,
        "zones": ["1", "2", "3"],
    }
    groups = [names[i : i + size] for i in range(0, len(names), size)]

    def both(index: int) -> None:
        network = {
            name: {**account, "region": name, "cidr": f"10.{names.index(name)}.0.0/16", "validators": 2}
            for name in groups[index]
        }
        write_root(folder / f"network-{index}", "network", network)
        made = apply(folder / f"network-{index}", environ)
        passed_on = ("group", "node_subnet_ids", "pod_subnet_ids", "egress_public_ip_id")
        region = {
            name: {
                **account,
                "region": name,
                "tenant_id": cloud.environment["AZURE_TENANT_ID"],
                **{key: made[name][key] for key in passed_on},
            }
            for name in groups[index]
        }
        write_root(folder / f"region-{index}", "region", region)
        apply(folder / f"region-{index}", environ)

    with ThreadPoolExecutor(len(groups)) as threads:
        list(threads.map(both, range(len(groups))))


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--regions", type=int, default=24)
    parser.add_argument("--time-scale", type=float, default=60.0)
    options = parser.parse_args()
    names = region_set("azure-non-us-24")[: options.regions]
    print(f"load before: {psutil.getloadavg()[0]:.1f} on {psutil.cpu_count()} cores\n")
    print("| layout | roots | wall s | CPU s | peak PSS MiB of Terraform |")
    print("| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        for number, size in enumerate((1, 6, len(names))):
            with start(
                Path(folder) / f"cloud-{number}", time_scale=options.time_scale, parts="arm,azapi"
            ) as cloud:
                before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
                with Memory() as memory:
                    deploy(cloud, names, size, Path(folder) / f"roots-{number}", f"layout-{number}")
                wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            title = {1: "one root per region and stage", len(names): "one root per stage"}.get(
                size, f"{size} regions in one root"
            )
            roots = 2 * -(-len(names) // size)
            print(f"| {title} | {roots} | {wall:.1f} | {cpu:.1f} | {memory.peak:.0f} |", flush=True)


if __name__ == "__main__":
    main()

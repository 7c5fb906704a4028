"""Finds the Terraform to use: OpenTofu or Terraform on PATH, or the embedded one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chainfleet.model.errors import EnvironmentProblem

from . import embedded

MINIMUM = (1, 5, 0)
"""Import blocks, which adopt what an attempt that was killed left behind, came with 1.5."""

_TIMEOUT_S = 30.0
_WAY_OUT = (
    "install OpenTofu (opentofu.org/docs/intro/install) or Terraform "
    "(developer.hashicorp.com/terraform/install), or the embedded one: pip install 'chainfleet[embedded]'"
)


@dataclass(frozen=True, slots=True)
class Tool:
    """A Terraform that can be run.

    Attributes:
        name: `tofu`, `terraform` or `embedded terraform`.
        version: e.g. `1.11.4`.
        command: start of its command line.
    """

    name: str
    version: str
    command: tuple[str, ...]


def check_tool(environ: Mapping[str, str]) -> Tool:
    """Return the first usable Terraform: `tofu`, then `terraform`, on PATH, then the embedded one.

    Raises:
        EnvironmentProblem: there is none, or all are too old; says which and how to get one.
    """
    refused = []
    for name, command in _candidates(environ):
        version = _version(command, environ)
        if version is None:
            refused.append(f"{command[0]} does not answer `version`")
        elif _numbers(version) < MINIMUM:
            refused.append(f"{command[0]} is version {version}")
        else:
            return Tool(name, version, command)
    wanted = ".".join(map(str, MINIMUM[:2]))
    found = f" ({'; '.join(refused)})" if refused else ""
    raise EnvironmentProblem(f"no tofu or terraform of version {wanted} or newer{found}", way_out=_WAY_OUT)


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name in ("tofu", "terraform"):
        path = shutil.which(name, path=environ.get("PATH", ""))
        if path is not None:
            yield name, (path,)
    if embedded.library() is not None:
        yield "embedded terraform", (sys.executable, "-I", embedded.__file__)


def _version(command: tuple[str, ...], environ: Mapping[str, str]) -> str | None:
    try:
        done = subprocess.run(
            [*command, "version", "-json"],
            env={**environ, "CHECKPOINT_DISABLE": "1"},
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
        return str(json.loads(done.stdout)["terraform_version"])
    except (OSError, subprocess.TimeoutExpired, ValueError, KeyError, TypeError):
        return None


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    return tuple(int(part) for part in match.groups()) if match else (0,)

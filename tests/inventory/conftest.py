from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chainfleet.emulator.client import Running, start
from chainfleet.model.fleet import AzureCloud, Clouds, Fleet
from chainfleet.model.region import known_regions


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with start(tmp_path_factory.mktemp("inventory-cloud"), time_scale=600.0, parts="arm,azapi") as running:
        yield running


@pytest.fixture
def fleet(cloud: Running, chain_138: Fleet) -> Fleet:
    """The fleet of the example, in the emulated subscription."""
    azure = AzureCloud(
        subscription_id=cloud.environment["ARM_SUBSCRIPTION_ID"],
        tenant_id=cloud.environment["AZURE_TENANT_ID"],
    )
    return chain_138.model_copy(update={"clouds": Clouds(azure=azure)})


def beside(name: str) -> Any:
    """A module that lies beside this file; tests are no package."""
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def helpers() -> Any:
    """Modules that lie beside this file, by name."""
    return beside


@pytest.fixture(scope="module")
def aws() -> Iterator[tuple[Any, dict[str, str]]]:
    """AWS on loopback: its gate, and the environment that points there."""
    module = beside("aws_cloud")
    gate = module.Gate()
    with module.serving(gate) as environ:
        yield gate, environ


@pytest.fixture
def gate(aws: tuple[Any, dict[str, str]]) -> Iterator[Any]:
    yield aws[0]
    aws[0].forget()


@pytest.fixture
def environ(aws: tuple[Any, dict[str, str]]) -> dict[str, str]:
    return aws[1]


@pytest.fixture(scope="module")
def google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, dict[str, str]]]:
    """Google Cloud on loopback: its project, and the environment that points there."""
    module = beside("google_cloud")
    project = module.Google(sorted(known_regions("gcp")))
    with module.serving(project, tmp_path_factory.mktemp("google")) as environ:
        yield project, environ


@pytest.fixture
def project(google: tuple[Any, dict[str, str]]) -> Iterator[Any]:
    yield google[0]
    google[0].forget()


@pytest.fixture
def google_environ(google: tuple[Any, dict[str, str]]) -> dict[str, str]:
    return google[1]


@pytest.fixture
def commands(tmp_path: Path) -> Any:
    """Makes what runs chainfleet's commands for a fleet file, in an environment."""

    def for_fleet(fleet: Path, environ: dict[str, str]) -> Any:
        env_file = tmp_path / "environment.json"
        env_file.write_text(json.dumps(environ))

        def run(command: str, *more: str) -> subprocess.CompletedProcess[str]:
            words = [
                command,
                str(fleet),
                "--env-file",
                str(env_file),
                "--state",
                str(tmp_path / "state"),
                *more,
            ]
            line = [sys.executable, "-m", "chainfleet.cli.main", *words]
            return subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)

        return run

    return for_fleet

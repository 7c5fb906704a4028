"""What a fleet file may say of node keys, and what follows from it without asking anybody."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from chainfleet.drivers.besu.check import check_network
from chainfleet.drivers.besu.pod import _CHECK_KEY
from chainfleet.drivers.besu.render import write_rendered
from chainfleet.drivers.besu.vault import Vault
from chainfleet.drivers.driver import Attempt
from chainfleet.drivers.key_vault import Kept, challenged_scope
from chainfleet.drivers.terraform.modules import modules_folder
from chainfleet.drivers.terraform.roots import VARIABLES, root_of
from chainfleet.model.errors import ErrorClass, TaskFailed
from chainfleet.model.fleet import AwsCloud, AzureCloud, Clouds, Deployment, Fleet, GcpCloud, Network, Region
from chainfleet.model.task import Phase, Task

RANGES = ("198.51.100.0/24",)


def fleet_of(*regions: Region, node_keys: str = "vault", ranges: Any = RANGES) -> Fleet:
    places = regions or tuple(
        Region(name=name, cidr=f"10.{i}.0.0/16") for i, name in enumerate(("northeurope", "uksouth"))
    )
    account = "12f4cca1-0403-4c22-bf24-255ad7841183"
    azure = AzureCloud(subscription_id=account, tenant_id=account, authorized_ip_ranges=ranges)
    clouds = Clouds(azure=azure, aws=AwsCloud(account_id="1"), gcp=GcpCloud(project="p"))
    return Fleet(
        name="vaulted",
        network=Network(chain_id=138, node_keys=node_keys),
        regions=places,
        clouds=clouds,
        deployment=Deployment(),
    )


def complaints(fleet: Fleet) -> list[str]:
    return [
        f.message for f in check_network(fleet) if f.place == "network.node_keys" and f.severity == "error"
    ]


@pytest.mark.parametrize(
    "other",
    [
        Region(name="eu-west-1", cloud="aws"),
        Region(name="europe-west1", cloud="gcp"),
        Region(name="mine", cloud="kubeconfig", context="mine", addresses=("192.0.2.1", "192.0.2.2")),
    ],
    ids=lambda region: region.cloud,
)
def test_vaults_are_refused_where_there_are_none(other: Region) -> None:
    (found,) = complaints(fleet_of(Region(name="northeurope"), other))
    assert other.name in found
    assert "write `secret`" in found
    assert complaints(fleet_of(Region(name="northeurope"), other, node_keys="secret")) == []


def test_vaults_that_nobody_could_write_to_are_refused() -> None:
    (found,) = complaints(fleet_of(ranges=()))
    assert "authorized_ip_ranges" in found
    assert complaints(fleet_of()) == []
    assert complaints(fleet_of(node_keys="secret", ranges=())) == []


def test_vaults_admit_public_addresses_only() -> None:
    fleet = fleet_of(ranges=("198.51.100.0/24", "10.1.0.0/16"))
    (found,) = [f for f in check_network(fleet) if f.place == "clouds.azure.authorized_ip_ranges"]
    assert "10.1.0.0/16 is private" in found.message


@pytest.mark.parametrize(("node_keys", "expected"), [("vault", list(RANGES)), ("secret", None)])
def test_a_vault_admits_who_deploys_only_where_keys_lie_in_it(
    node_keys: str, expected: list[str] | None, tmp_path: Path
) -> None:
    network = {
        "group": "g",
        "node_subnet_ids": ["n"],
        "pod_subnet_ids": ["p"],
        "egress_public_ip_id": "e",
    }
    attempt = Attempt(
        task=Task("infrastructure/cluster/northeurope", Phase.INFRASTRUCTURE),
        number=1,
        fleet=fleet_of(node_keys=node_keys),
        workspace=tmp_path,
        log_file=tmp_path / "log",
        parallelism=1,
        environ={},
        outputs={"infrastructure/network/northeurope": network}.__getitem__,
        log=lambda _: None,
        fence=lambda: None,
        observed=lambda _: None,
        progress=lambda _: None,
    )
    variables = json.loads(root_of(attempt, modules_folder()).files[VARIABLES])
    assert variables.get("vault_allowed_ips") == expected


def rendered(folder: Path, name: str) -> list[dict[str, Any]]:
    return [d for d in yaml.safe_load_all((folder / name).read_text()) if d]


def test_what_is_rendered_mounts_from_the_vault_and_names_what_is_not_known_yet(tmp_path: Path) -> None:
    fleet = fleet_of()
    known = {"uksouth": Vault("vault-uk", "https://vault-uk.vault.azure.net/", "", "client-uk")}
    written = write_rendered(fleet, tmp_path, vaults=known)
    assert {"UNALLOCATED-vault", "UNALLOCATED-identity"} <= set(written.placeholders["northeurope"])
    assert not [text for text in written.placeholders["uksouth"] if "vault" in text or "identity" in text]
    objects = rendered(tmp_path / "uksouth", "10-besu.yaml")
    assert not [o for o in objects if o["kind"] == "Secret"]
    mounts = [o for o in objects if o["kind"] == "SecretProviderClass"]
    assert [o["metadata"]["name"] for o in mounts] == ["validator-0-key", "validator-1-key"]
    assert mounts[0]["apiVersion"] == "secrets-store.csi.x-k8s.io/v1"
    parameters = mounts[0]["spec"]["parameters"]
    assert (parameters["keyvaultName"], parameters["clientID"]) == ("vault-uk", "client-uk")
    assert parameters["tenantId"] == fleet.clouds.azure.tenant_id
    (account,) = [o for o in rendered(tmp_path / "uksouth", "00-base.yaml") if o["kind"] == "ServiceAccount"]
    assert account["metadata"]["annotations"] == {"azure.workload.identity/client-id": "client-uk"}
    assert "key vault as the secrets `validator-0-key`" in (tmp_path / "README.md").read_text()


def test_without_vaults_nothing_of_them_is_rendered(tmp_path: Path) -> None:
    written = write_rendered(fleet_of(node_keys="secret"), tmp_path)
    for text in (path.read_text() for path in written.files):
        assert "azure.workload.identity" not in text
        assert "secrets-store" not in text


@pytest.mark.parametrize(
    ("challenge", "host", "scope"),
    [
        (
            'Bearer authorization="https://login.windows.net/t", resource="https://vault.azure.net"',
            "v.vault.azure.net",
            "https://vault.azure.net/.default",
        ),
        (
            'Bearer authorization="https://l/t", scope="https://vault.azure.cn/.default"',
            "v.vault.azure.cn",
            "https://vault.azure.cn/.default",
        ),
    ],
)
def test_a_vault_says_which_token_it_wants(challenge: str, host: str, scope: str) -> None:
    assert challenged_scope(challenge, host) == scope


@pytest.mark.parametrize(
    ("challenge", "host"),
    [
        (
            'Bearer authorization="https://l/t", resource="https://vault.azure.net"',
            "vault.azure.net.evil.example",
        ),
        ('Bearer authorization="https://l/t", resource="https://vault.azure.net"', "evilvault.azure.net"),
        ('Bearer authorization="https://l/t", resource="https://management.azure.com"', "v.vault.azure.net"),
        ("", "v.vault.azure.net"),
    ],
)
def test_no_token_is_given_to_who_only_says_to_be_a_vault(challenge: str, host: str) -> None:
    with pytest.raises(TaskFailed, match="no key vault") as refused:
        challenged_scope(challenge, host)
    assert refused.value.error_class is ErrorClass.AUTHORISATION


def test_a_secret_is_not_shown_by_chance() -> None:
    assert "hush" not in repr(Kept("hush", "1"))


def test_the_check_of_a_key_says_that_it_may_not_be_read() -> None:
    """Files of the CSI driver belong to root: a wrong mode is told from a wrong key."""
    somebody = {"user": 1000} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        key = Path(folder, "nodekey")
        key.write_text("ab" * 32)
        script = _CHECK_KEY.replace("/secrets/nodekey", str(key))
        for mode, code, said in ((0o644, 0, ""), (0o000, 1, "the node key is not readable by user")):
            key.chmod(mode)
            done = subprocess.run(
                ["/bin/sh", "-c", script], capture_output=True, text=True, check=False, **somebody
            )
            assert done.returncode == code
            assert done.stderr.startswith(said)

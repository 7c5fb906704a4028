"""A whole network on the emulated cloud whose validators sign with keys from their regions' vaults, and no Secret holds one."""

from __future__ import annotations

import base64
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from chainfleet.drivers.terraform import check_tool
from chainfleet.emulator.client import Running, start
from chainfleet.model.besu.identity import read_key_file
from chainfleet.model.errors import EnvironmentProblem

pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]

try:
    check_tool(os.environ)
except EnvironmentProblem as missing:
    pytest.skip(str(missing), allow_module_level=True)

REGIONS = ("northeurope", "westeurope", "uksouth", "francecentral")
SCALE = 120
SECRETS = "microsoft.keyvault/vaults/secrets"
FLEET = f"""
name: vaulted
network:
  chain_id: 4711
  validators_per_region: 1
  node_keys: vault
regions: [{", ".join(REGIONS)}]
clouds:
  azure:
    authorized_ip_ranges: [198.51.100.0/24]
monitoring:
  enabled: false
"""


@dataclass
class Network:
    """The deployed network, and ways to ask the emulated cloud about it."""

    cloud: Running
    folder: Path
    result: dict[str, Any]

    def run(self, *arguments: str, expect: int = 0) -> dict[str, Any]:
        files = [
            *("--state", str(self.folder / "state")),
            *("--env-file", str(self.folder / "environment.json")),
        ]
        command = [sys.executable, "-m", "chainfleet.cli.main", *arguments, *files, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == expect, done.stderr + done.stdout
        return dict(json.loads(done.stdout)) if done.stdout else {}

    @property
    def fleet(self) -> str:
        return str(self.folder / "fleet.yaml")

    def client(self, authority: str | None = None) -> httpx2.Client:
        context = ssl.create_default_context(cafile=self.cloud.environment["SSL_CERT_FILE"])
        if authority is not None:
            context = ssl.create_default_context(cadata=authority)
        return httpx2.Client(verify=context, timeout=60, trust_env=False)

    def token(self, http: httpx2.Client, audience: str) -> str:
        given = self.cloud.environment
        form = {
            "grant_type": "client_credentials",
            "client_id": given["ARM_CLIENT_ID"],
            "client_secret": given["ARM_CLIENT_SECRET"],
            "scope": f"{audience}/.default",
        }
        place = f"{given['AZURE_AUTHORITY_HOST']}{given['ARM_TENANT_ID']}/oauth2/v2.0/token"
        return str(http.post(place, data=form).json()["access_token"])

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [r for r in self.cloud.control("/resources")["resources"] if r["type"] == kind]

    def keys_in_vaults(self) -> dict[str, str]:
        """Address of the key in each region's vault, with its version."""
        with self.client() as http:
            headers = {"Authorization": f"Bearer {self.token(http, 'https://vault.azure.net')}"}
            found = {}
            for vault in self.of_type("Microsoft.KeyVault/vaults"):
                url = f"{vault['properties']['vaultUri']}secrets/validator-0-key?api-version=7.4"
                held = http.get(url, headers=headers).json()
                address = read_key_file(held["value"]).address()
                found[vault["location"]] = f"{address} {held['id'].rsplit('/', 1)[1]}"
            return found

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """All objects of a kind in all clusters, in every namespace, asked at their API servers."""
        found: list[dict[str, Any]] = []
        with self.client() as http:
            headers = {"Authorization": f"Bearer {self.token(http, 'https://management.azure.com')}"}
            base = self.cloud.environment["ARM_RESOURCE_MANAGER_ENDPOINT"].rstrip("/")
            for cluster in self.of_type("Microsoft.ContainerService/managedClusters"):
                url = f"{base}{cluster['id']}/listClusterUserCredential?api-version=2025-05-01"
                answer = http.post(url, headers=headers).json()
                config = yaml.safe_load(base64.b64decode(answer["kubeconfigs"][0]["value"]))
                place = config["clusters"][0]["cluster"]
                authority = base64.b64decode(place["certificate-authority-data"]).decode()
                with self.client(authority) as api:
                    bearer = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
                    found += api.get(f"{place['server']}{kind}", headers=bearer).json()["items"]
        return found


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    folder = tmp_path_factory.mktemp("vaulted")
    (folder / "fleet.yaml").write_text(FLEET)
    made = Network(start(folder / "cloud", time_scale=SCALE), folder, {})
    try:
        (folder / "environment.json").write_text(json.dumps(dict(made.cloud.environment)))
        # The vaults throttle the first writes: the run waits and goes on.
        throttle = {"kind": "throttle", "resource": SECRETS, "verb": "PUT", "count": 2}
        made.cloud.control("/faults", "POST", throttle)
        made.result = made.run("deploy", made.fleet, "--yes", "--time-scale", str(SCALE))
        yield made
    finally:
        made.cloud.stop()


def test_every_validator_signs_with_the_key_from_its_vault(network: Network) -> None:
    result = network.result
    assert (result["verdict"], result["regions_succeeded"]) == ("succeeded", len(REGIONS))
    assert result["network"]["head"] > result["network"]["head_before"]
    (fault,) = network.cloud.control("/faults")["faults"]
    assert fault["struck"] == 2
    known = json.loads((network.folder / "state/workspace/besu/keys/validators.json").read_text())
    held = {region: text.split()[0] for region, text in network.keys_in_vaults().items()}
    assert held == {row["region"]: row["address"] for row in known}


def test_no_secret_holds_a_node_key(network: Network) -> None:
    keys = {
        read_key_file(path.read_text()).secret.hex()
        for path in (network.folder / "state/workspace/besu/keys").glob("*.key")
    }
    assert len(keys) == len(REGIONS)
    secrets = network.objects("/api/v1/secrets")
    assert not [s["metadata"]["name"] for s in secrets if s["metadata"]["namespace"] == "besu"]
    # Nor did one for a moment: nobody ever wrote a Secret to these clusters.
    rows = network.cloud.control("/stats")["changes"]["detail"]
    written = {row["type"] for row in rows if row["system"] == "kubernetes"}
    assert {"statefulsets", "secretproviderclasses"} <= written
    assert "secrets" not in written
    values = [base64.b64decode(v).decode() for s in secrets for v in (s.get("data") or {}).values()]
    assert not [value for value in values if value.strip() in keys]
    pods = network.objects("/api/v1/namespaces/besu/pods")
    sources = [volume for pod in pods for volume in pod["spec"]["volumes"]]
    assert len([volume for volume in sources if "csi" in volume]) == len(REGIONS)
    # Nowhere else either: not in an object, an attempt's log, the ledger, a report.
    texts = [json.dumps([*pods, *network.objects("/api/v1/configmaps")])]
    mounts = "/apis/secrets-store.csi.x-k8s.io/v1/secretproviderclasses"
    texts.append(json.dumps(network.objects(mounts)))
    files = [path for path in (network.folder / "state").rglob("*") if path.is_file()]
    texts += [path.read_bytes().decode(errors="replace") for path in files if path.suffix != ".key"]
    assert len(texts) > 10
    assert not [key for key in keys for text in texts if key in text]


def test_a_second_deployment_writes_no_key_again(network: Network) -> None:
    before, changes = network.keys_in_vaults(), network.cloud.control("/stats")["changes"]["total"]
    result = network.run("deploy", network.fleet, "--yes", "--time-scale", str(SCALE))
    assert (result["verdict"], result["changed"]) == ("succeeded", 0)
    assert network.keys_in_vaults() == before
    assert network.cloud.control("/stats")["changes"]["total"] == changes


def test_pods_have_their_keys_when_the_emulated_cloud_comes_back(network: Network) -> None:
    before = network.keys_in_vaults()
    network.cloud.stop()
    network.cloud = start(network.folder / "cloud", time_scale=SCALE)
    (network.folder / "environment.json").write_text(json.dumps(dict(network.cloud.environment)))
    assert network.run("verify", network.fleet)["verdict"] == "succeeded"
    assert network.keys_in_vaults() == before
    pods = network.objects("/api/v1/namespaces/besu/pods")
    statuses = [status for pod in pods for status in pod["status"]["containerStatuses"]]
    assert [status["restartCount"] for status in statuses] == [0] * len(REGIONS)


def test_what_was_destroyed_comes_back_with_the_keys_that_lay_in_its_vaults(network: Network) -> None:
    before = network.keys_in_vaults()
    network.run("destroy", network.fleet, "--confirm", "vaulted")
    assert network.keys_in_vaults() == {}
    result = network.run("deploy", network.fleet, "--yes", "--time-scale", str(SCALE))
    assert result["verdict"] == "succeeded"
    assert network.keys_in_vaults() == before

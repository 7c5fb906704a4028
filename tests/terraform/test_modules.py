"""The Terraform modules themselves: their form, their contract and what they refuse."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from chainfleet.drivers.terraform.modules import modules_folder
from chainfleet.drivers.terraform.tool import check_tool
from chainfleet.emulator.client import Running

MODULES = {name: modules_folder() / "azure" / name for name in ("network", "region")}
SUBSCRIPTION = "12f4cca1-0403-4c22-bf24-255ad7841183"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/demo-northeurope"

INPUTS: dict[str, dict[str, Any]] = {
    "network": {
        "account_id": SUBSCRIPTION,
        "fleet": "demo",
        "prefix": "demo",
        "region": "northeurope",
        "cidr": "10.7.0.0/16",
        "validators": 2,
    },
    "region": {
        "account_id": SUBSCRIPTION,
        "tenant_id": SUBSCRIPTION,
        "fleet": "demo",
        "prefix": "demo",
        "region": "northeurope",
        "group": "demo-northeurope",
        "node_subnet_ids": [f"{GROUP}/providers/Microsoft.Network/virtualNetworks/demo-vnet/subnets/nodes"],
        "pod_subnet_ids": [f"{GROUP}/providers/Microsoft.Network/virtualNetworks/demo-vnet/subnets/pods"],
        "egress_public_ip_id": f"{GROUP}/providers/Microsoft.Network/publicIPAddresses/demo-egress",
    },
}

OUTPUTS = {
    "network": {"group", "location", "network_id", "node_subnet_ids", "pod_subnet_ids", "public_ips"}
    | {"public_ip_names", "egress_public_ip", "egress_public_ip_id"},
    "region": {"cluster_id", "cluster_name", "group", "oidc_issuer_url", "vault_uri"}
    | {"vault_name", "identity_id", "cluster_endpoint", "cluster_ca_certificate"},
}


class Module:
    """A copy of a module that commands can be run in."""

    def __init__(self, name: str, folder: Path, environ: dict[str, str]) -> None:
        self.name = name
        self.folder = folder / name
        self.environ = environ
        shutil.copytree(MODULES[name], self.folder)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [*check_tool(self.environ).command, *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=self.environ, capture_output=True, text=True, check=False
        )

    def plan(self, **changed: Any) -> dict[str, Any]:
        """Planned bodies by address."""
        variables = INPUTS[self.name] | changed
        (self.folder / "in.auto.tfvars.json").write_text(json.dumps(variables))
        done = self.run("plan", "-input=false", "-no-color", "-out=plan", "-refresh=false")
        assert done.returncode == 0, done.stderr
        document = json.loads(self.run("show", "-json", "plan").stdout)
        return {change["address"]: change["change"]["after"] for change in document["resource_changes"]}

    def refusal(self, **changed: Any) -> str:
        variables = INPUTS[self.name] | changed
        (self.folder / "in.auto.tfvars.json").write_text(json.dumps(variables))
        done = self.run("plan", "-input=false", "-no-color", "-refresh=false")
        assert done.returncode == 1, f"planned with {changed}"
        return " ".join(done.stderr.split())


@pytest.fixture(params=sorted(MODULES))
def module(request: pytest.FixtureRequest, tmp_path: Path, cloud: Running) -> Module:
    return Module(request.param, tmp_path, {**os.environ, **cloud.environment})


@pytest.fixture
def network(tmp_path: Path, cloud: Running) -> Module:
    return Module("network", tmp_path, {**os.environ, **cloud.environment})


@pytest.fixture
def region(tmp_path: Path, cloud: Running) -> Module:
    return Module("region", tmp_path, {**os.environ, **cloud.environment})


def test_it_is_formatted_valid_and_documented(module: Module) -> None:
    assert module.run("fmt", "-check", "-diff").stdout == ""
    valid = module.run("validate", "-json")
    assert json.loads(valid.stdout)["diagnostics"] == [], valid.stdout
    blocks = re.findall(r'^(variable|output) "(\w+)" \{(.*?)^\}', all_text(module), re.MULTILINE | re.DOTALL)
    for kind, name, body in blocks:
        assert "description" in body, f"{kind} {name}"
        assert kind == "output" or "type " in body, f"{kind} {name}"
    assert {name for kind, name, _ in blocks if kind == "output"} == OUTPUTS[module.name]
    readme = (module.folder / "README.md").read_text()
    assert all(name in readme for name in OUTPUTS[module.name])


def all_text(module: Module) -> str:
    return "".join(path.read_text() for path in sorted(module.folder.glob("*.tf")))


def test_everything_that_can_be_tagged_names_its_fleet_and_region(module: Module) -> None:
    for address, after in module.plan().items():
        kind = after["type"].split("@")[0]
        if kind.count("/") > 1 or "roleAssignments" in kind:
            continue  # children of others and role assignments have no tags
        assert after["tags"] == {"chainfleet-fleet": "demo", "chainfleet-region": "northeurope"}, address


def rule(planned: dict[str, Any]) -> dict[str, Any]:
    rules = planned["azapi_resource.security_group"]["body"]["properties"]["securityRules"]
    assert len(rules) == 1
    found: dict[str, Any] = rules[0]["properties"]
    return found


def test_the_p2p_port_is_never_open_to_the_internet(network: Module) -> None:
    unknown = rule(network.plan())
    assert unknown["sourceAddressPrefix"] == "AzureCloud"
    assert "sourceAddressPrefixes" not in unknown
    known = rule(network.plan(peer_prefixes=["20.1.0.5", "20.1.0.4/31"], p2p_port=30305))
    assert known["sourceAddressPrefixes"] == ["20.1.0.4/31", "20.1.0.5"]
    assert "sourceAddressPrefix" not in known
    for found in (unknown, known):
        assert (found["protocol"], found["access"], found["direction"]) == ("Tcp", "Allow", "Inbound")
    assert known["destinationPortRange"] == "30305"


def test_nodes_and_pods_have_ranges_of_their_own_and_pods_are_aks_s(network: Module) -> None:
    planned = network.plan(cidr="10.9.0.0/20")["azapi_resource.network"]["body"]["properties"]
    nodes, pods = planned["subnets"]
    assert (nodes["properties"]["addressPrefix"], pods["properties"]["addressPrefix"]) == (
        "10.9.0.0/22",
        "10.9.8.0/21",
    )
    assert nodes["properties"]["delegations"] == []
    delegated = pods["properties"]["delegations"][0]["properties"]["serviceName"]
    assert delegated == "Microsoft.ContainerService/managedClusters"


def test_addresses_are_standard_static_and_span_the_zones_that_there_are(network: Module) -> None:
    with_zones = network.plan()
    without = network.plan(zones=[])
    for planned, zones in ((with_zones, ["1", "2", "3"]), (without, None)):
        body = planned['azapi_resource.public_ip["demo-validator-0"]']["body"]
        assert body["sku"] == {"name": "Standard", "tier": "Regional"}
        assert body["properties"]["publicIPAllocationMethod"] == "Static"
        assert body.get("zones") == zones
    assert sum(address.startswith("azapi_resource.public_ip") for address in with_zones) == 3


def test_every_region_has_a_maintenance_window_of_its_own(region: Module) -> None:
    windows = set()
    for slot in (0, 6, 23):
        planned = region.plan(maintenance_slot=slot)
        found = [
            json.dumps(after["body"]["properties"]["maintenanceWindow"], sort_keys=True)
            for address, after in planned.items()
            if address.startswith("azapi_resource.maintenance")
        ]
        assert len(found) == 2
        assert len(set(found)) == 1
        windows.add(found[0])
    assert len(windows) == 3


def test_the_cluster_is_what_validators_need(region: Module) -> None:
    body = region.plan()["azapi_resource.cluster"]["body"]
    properties = body["properties"]
    assert body["sku"] == {"name": "Base", "tier": "Standard"}
    assert properties["oidcIssuerProfile"] == {"enabled": True}
    assert properties["securityProfile"]["workloadIdentity"] == {"enabled": True}
    system, validators = properties["agentPoolProfiles"]
    assert (system["mode"], validators["mode"]) == ("System", "User")
    assert validators["nodeLabels"] == {"chainfleet.io/pool": "validators"}
    assert validators["nodeTaints"] == ["chainfleet.io/validators=true:NoSchedule"]
    assert system["podSubnetID"] == validators["podSubnetID"] == INPUTS["region"]["pod_subnet_ids"][0]
    assert "apiServerAccessProfile" not in properties
    vault = region.plan(vault_purge_protection=False)["azapi_resource.key_vault"]
    assert vault["body"]["properties"]["networkAcls"]["defaultAction"] == "Deny"
    assert "enablePurgeProtection" not in vault["body"]["properties"]
    assert re.fullmatch(r"[a-z][a-z0-9]{2,23}", vault["name"])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"account_id": "mine"}, "account_id must be a UUID"),
        ({"region": "North Europe"}, "region must be Azure's short name"),
        ({"cidr": "10.7.0.0/24"}, "cidr must be an IPv4 range from /16 to /22"),
        ({"cidr": "10.7.0.0"}, "cidr must be an IPv4 range"),
        ({"validators": 17}, "validators must be a whole number from 0 to 16"),
        ({"peer_prefixes": ["0.0.0.0/0"]}, "and not 0.0.0.0/0"),
        ({"zones": ["4"]}, "zones may hold"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_the_network_refuses_wrong_input(network: Module, changed: dict[str, Any], said: str) -> None:
    assert said in network.refusal(**changed)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"system_vm_size": "Standard_B4ms"}, "not of the B-series"),
        ({"validator_vm_size": "Standard_D4_v5"}, "premium storage"),
        ({"kubernetes_version": "1.34.1"}, "must be a minor version"),
        ({"log_retention_days": 7}, "0, or from 30 to 730"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_the_cluster_refuses_wrong_input(region: Module, changed: dict[str, Any], said: str) -> None:
    assert said in region.refusal(**changed)

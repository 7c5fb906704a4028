"""A region with a key vault on the emulated cloud, without Terraform: resources as the module makes them, and attempts."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import uuid
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import httpx2

from chainfleet.drivers.besu import BesuDriver
from chainfleet.drivers.driver import Attempt, Driver, Outcome
from chainfleet.drivers.kubernetes import KubernetesDriver, clusters
from chainfleet.drivers.terraform.vaults import vault_name
from chainfleet.emulator.client import Running
from chainfleet.model.fleet import AzureCloud, Clouds, Deployment, Fleet, Network, Region
from chainfleet.model.task import Phase, Task

REGION = "northeurope"
SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
TIME_SCALE = 600.0
_numbers = count(1)


class VaultRegion:
    """One region of two validators whose node keys lie in its vault, and who deploys to it."""

    def __init__(self, cloud: Running, workspace: Path) -> None:
        self.cloud = cloud
        self.workspace = workspace
        self.environ: dict[str, str] = {**cloud.environment}
        self.name = f"vaulted-{next(_numbers)}"
        self.fleet = self._fleet("vault")
        context = ssl.create_default_context(cafile=cloud.environment["SSL_CERT_FILE"])
        self.http = httpx2.Client(verify=context, timeout=30, trust_env=False)
        self.outputs: dict[str, dict[str, Any]] = {}
        self.logged: list[str] = []
        self.fences = 0
        self.lost_at: int | None = None
        self.besu, self.kubernetes = BesuDriver(), KubernetesDriver()
        subscription = self.environ["ARM_SUBSCRIPTION_ID"]
        self.group = f"/subscriptions/{subscription}/resourceGroups/{self.name}-{REGION}"
        self.vault_name = vault_name(self.name, self.group)
        self.vault_id = f"{self.group}/providers/Microsoft.KeyVault/vaults/{self.vault_name}"
        self.role_id = f"{self.vault_id}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}"

    def _fleet(self, node_keys: str) -> Fleet:
        azure = AzureCloud(
            subscription_id=self.environ["ARM_SUBSCRIPTION_ID"],
            tenant_id=self.environ["ARM_TENANT_ID"],
            authorized_ip_ranges=("198.51.100.0/24",),
        )
        return Fleet(
            name=self.name,
            network=Network(chain_id=138, node_keys=node_keys),
            # The other one only makes the network large enough; nothing is deployed to it.
            regions=(Region(name=REGION, cidr="10.7.0.0/16"), Region(name="westeurope", cidr="10.8.0.0/16")),
            clouds=Clouds(azure=azure),
            deployment=Deployment(time_scale=TIME_SCALE),
        )

    def declare(self, node_keys: str) -> None:
        """The fleet file says something else from now on."""
        self.fleet = self._fleet(node_keys)

    # --- what Terraform would have made

    def make(self) -> None:
        """All resources, as the module makes them."""
        self.arm("PUT", self.group, {"location": REGION}, "2021-04-01")
        identity = self.made(
            f"{self.group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/validators",
            {"location": REGION},
            "2023-01-31",
        )
        self.principal = identity["properties"]["principalId"]
        pools = [
            {"name": "system", "mode": "System", "count": 1, "vmSize": "Standard_D4s_v5"},
            {
                "name": "validators",
                "mode": "User",
                "count": 2,
                "vmSize": "Standard_D4s_v5",
                "nodeLabels": {"chainfleet.io/pool": "validators"},
                "nodeTaints": ["chainfleet.io/validators=true:NoSchedule"],
            },
        ]
        cluster = self.made(
            f"{self.group}/providers/Microsoft.ContainerService/managedClusters/aks",
            {
                "location": REGION,
                "identity": {"type": "SystemAssigned"},
                "sku": {"name": "Base", "tier": "Standard"},
                "properties": {
                    "kubernetesVersion": "1.34",
                    "dnsPrefix": "fleet",
                    "oidcIssuerProfile": {"enabled": True},
                    "agentPoolProfiles": pools,
                },
            },
            "2025-05-01",
        )
        self.credential_id = f"{identity['id']}/federatedIdentityCredentials/validators"
        self.trust(cluster["properties"]["oidcIssuerProfile"]["issuerURL"])
        vault = self.make_vault()
        self.grant()
        ips = [
            self.made(f"{self.group}/providers/Microsoft.Network/publicIPAddresses/{self.name}-validator-{i}",
                      {"location": REGION, "sku": {"name": "Standard", "tier": "Regional"},
                       "properties": {"publicIPAllocationMethod": "Static"}}, "2024-05-01")
            for i in (0, 1)
        ]  # fmt: skip
        self.outputs[f"infrastructure/network/{REGION}"] = {
            "group": self.group.rsplit("/", 1)[1],
            "public_ips": [ip["properties"]["ipAddress"] for ip in ips],
            "public_ip_names": [ip["name"] for ip in ips],
        }
        self.outputs["infrastructure/network/westeurope"] = {"public_ips": ["192.0.2.1", "192.0.2.2"]}
        self.outputs[f"infrastructure/cluster/{REGION}"] = {
            "cluster_id": cluster["id"],
            "vault_uri": vault["properties"]["vaultUri"],
            "vault_name": vault["name"],
            "identity_id": identity["properties"]["clientId"],
        }

    def make_vault(self, **properties: Any) -> dict[str, Any]:
        return self.made(
            self.vault_id,
            {
                "location": REGION,
                "properties": {
                    "tenantId": self.environ["ARM_TENANT_ID"],
                    "sku": {"family": "A", "name": "standard"},
                    "enableRbacAuthorization": True,
                    "networkAcls": {"defaultAction": "Deny", "ipRules": [{"value": "198.51.100.0/24"}]},
                    **properties,
                },
            },
            "2023-07-01",
        )

    def trust(self, issuer: str, account: str = "validator") -> None:
        body = {
            "audiences": ["api://AzureADTokenExchange"],
            "issuer": issuer,
            "subject": f"system:serviceaccount:besu:{account}",
        }
        self.issuer = issuer
        self.made(self.credential_id, {"properties": body}, "2023-01-31")

    def grant(self) -> None:
        role = f"{self.group.split('/resourceGroups')[0]}/providers/Microsoft.Authorization/roleDefinitions/{SECRETS_USER}"
        body = {
            "principalId": self.principal,
            "principalType": "ServicePrincipal",
            "roleDefinitionId": role,
        }
        self.arm("PUT", self.role_id, {"properties": body}, "2022-04-01")

    def revoke(self) -> None:
        self.arm("DELETE", self.role_id, None, "2022-04-01")

    def token(self, scope: str = "https://management.azure.com") -> str:
        form = {
            "grant_type": "client_credentials",
            "client_id": self.cloud.environment["ARM_CLIENT_ID"],
            "client_secret": self.cloud.environment["ARM_CLIENT_SECRET"],
            "scope": f"{scope}/.default",
        }
        place = f"{self.environ['AZURE_AUTHORITY_HOST']}{self.environ['ARM_TENANT_ID']}/oauth2/v2.0/token"
        return str(self.http.post(place, data=form).json()["access_token"])

    def arm(self, verb: str, path: str, body: Any, version: str) -> httpx2.Response:
        base = self.environ["ARM_RESOURCE_MANAGER_ENDPOINT"].rstrip("/")
        headers = {"Authorization": f"Bearer {self.token()}"}
        url = f"{base}{path}?api-version={version}"
        response = self.http.request(verb, url, json=body, headers=headers)
        assert response.status_code < 300 or (verb, response.status_code) == ("GET", 404), response.text
        return response

    def made(self, path: str, body: Any, version: str) -> dict[str, Any]:
        import time

        found: dict[str, Any] = self.arm("PUT", path, body, version).json()
        deadline = time.monotonic() + 120
        while found["properties"].get("provisioningState", "Succeeded") != "Succeeded":
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
            found = self.arm("GET", path, None, version).json()
        return found

    # --- the vault, asked from outside

    def vault(self, verb: str, path: str, body: Any = None) -> httpx2.Response:
        uri = self.outputs[f"infrastructure/cluster/{REGION}"]["vault_uri"]
        headers = {"Authorization": f"Bearer {self.token('https://vault.azure.net')}"}
        return self.http.request(verb, f"{uri}{path}?api-version=7.4", json=body, headers=headers)

    def secret(self, index: int) -> dict[str, Any]:
        return dict(self.vault("GET", f"secrets/validator-{index}-key").json())

    def versions(self) -> list[str]:
        return [self.secret(index)["id"].rsplit("/", 1)[1] for index in (0, 1)]

    # --- attempts

    def attempt(self, task_id: str, timeout_s: float = 120) -> Attempt:
        def fence() -> None:
            from chainfleet.model.errors import LeaseLost

            self.fences += 1
            if self.fences == self.lost_at:
                raise LeaseLost("killed here", way_out="none")

        return Attempt(
            task=Task(task_id, Phase(task_id.split("/", 1)[0]), timeout_s=timeout_s),
            number=1,
            fleet=self.fleet,
            workspace=self.workspace,
            log_file=self.workspace / "log",
            parallelism=4,
            environ=self.environ,
            outputs=self.outputs.__getitem__,
            log=self.logged.append,
            fence=fence,
            observed=lambda _: None,
            progress=lambda _: None,
        )

    async def run(self, driver: Driver, task_id: str) -> Outcome:
        """Observe, change if need be, and remember the outputs, as the runtime does."""
        attempt = self.attempt(task_id)
        outcome = await driver.observe(attempt) or await driver.change(attempt)
        self.outputs[task_id] = json.loads(json.dumps(dict(outcome.outputs)))
        return outcome

    async def prepare(self) -> None:
        """Everything before the region's own configuration."""
        for task in ("keys", "genesis", "peers"):
            await self.run(self.besu, f"besu/{task}/network")
        await self.run(self.kubernetes, f"kubernetes/base/{REGION}")

    async def configure(self) -> Outcome:
        return await self.run(self.besu, f"besu/config/{REGION}")

    async def cluster(self) -> Any:
        return await clusters().of(self.attempt(f"besu/config/{REGION}"), self.fleet.regions[0])

    async def scale(self, replicas: int) -> None:
        from chainfleet.drivers.besu.region_tasks import scale

        await scale(await self.cluster(), 0, replicas, self.attempt(f"besu/config/{REGION}"))

    async def pod(self, ready: Callable[[Any], bool], timeout_s: float = 120) -> Any:
        """Validator 0's pod, once it is as wanted."""
        cluster = await self.cluster()
        async with asyncio.timeout(timeout_s):
            while not ready(found := await cluster.get("Pod", "validator-0-0", "besu")):  # noqa: ASYNC110 - a condition outside of this process
                await asyncio.sleep(0.05)
        return found

    async def mount_failure(self, text: str) -> str:
        """Wait for an event that says why a volume can't be mounted."""
        endpoint, token, authority = await self._api()
        context = ssl.create_default_context(cadata=authority)
        async with (
            httpx2.AsyncClient(verify=context, timeout=30, trust_env=False) as http,
            asyncio.timeout(120),
        ):
            while True:
                headers = {"Authorization": f"Bearer {token}"}
                answer = await http.get(f"{endpoint}/api/v1/namespaces/besu/events", headers=headers)
                for event in answer.json()["items"]:
                    if event["reason"] == "FailedMount" and text in event["message"]:
                        return str(event["message"])
                await asyncio.sleep(0.05)

    async def everything(self) -> str:
        """All objects that the API server has, as one text."""
        cluster = await self.cluster()
        kinds = ("Secret", "ConfigMap", "SecretProviderClass", "StatefulSet", "ServiceAccount", "Pod")
        found = [item for kind in kinds for item in await cluster.list_objects(kind, "besu")]
        texts = [json.dumps(item) for item in found]
        for item in found:
            texts += [base64.b64decode(v).decode() for v in (item.get("data") or {}).values()
                      if item["kind"] == "Secret"]  # fmt: skip
        return "\n".join(texts)

    async def _api(self) -> tuple[str, str, str]:
        import yaml

        cluster_id = self.outputs[f"infrastructure/cluster/{REGION}"]["cluster_id"]
        answer = self.arm("POST", f"{cluster_id}/listClusterUserCredential", None, "2025-05-01").json()
        config = yaml.safe_load(base64.b64decode(answer["kubeconfigs"][0]["value"]))
        cluster = config["clusters"][0]["cluster"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        return cluster["server"], config["users"][0]["user"]["token"], authority

    def as_stranger(self) -> None:
        """From now on somebody deploys who may not write secrets."""
        made = self.cloud.control("/principals", "POST", {"name": "no-keys", "secrets": False})
        for prefix in ("ARM", "AZURE"):
            self.environ[f"{prefix}_CLIENT_ID"] = made["client_id"]
            self.environ[f"{prefix}_CLIENT_SECRET"] = made["client_secret"]

"""The lists of permissions know every resource of the Terraform modules and every call of the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ACCOUNTS = (ROOT / "docs" / "guide" / "accounts.md").read_text(encoding="utf-8")
AZURE = json.loads((ROOT / "examples" / "permissions" / "azure-role.json").read_text(encoding="utf-8"))
AWS = json.loads((ROOT / "examples" / "permissions" / "aws-policy.json").read_text(encoding="utf-8"))


def declared(cloud: str, pattern: str) -> set[str]:
    """What a pattern finds in the modules of a cloud."""
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "terraform" / cloud).rglob("*.tf"))
    return {found for text in texts for found in re.findall(pattern, text, re.MULTILINE)}


def test_azure_role_covers_every_resource_of_the_modules() -> None:
    types = declared("azure", r'^ *type += "(Microsoft[\w./]+)@')
    assert len(types) > 10
    types = {kind.replace("resourceGroups", "subscriptions/resourceGroups") for kind in types}
    wanted = {f"{kind}/{verb}" for kind in types for verb in ("read", "write", "delete")}
    assert wanted - set(AZURE["Actions"]) == set()


def test_azure_role_covers_what_the_code_asks_by_itself() -> None:
    texts = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "src" / "chainfleet" / "drivers").rglob("*.py")
    )
    paths = set(re.findall(r"/providers/(Microsoft\.\w+/[a-z]+)", texts, re.IGNORECASE))
    assert {"Microsoft.Compute/skus", "Microsoft.ResourceGraph/resources"} <= paths
    actions = set(AZURE["Actions"])
    for path in paths - {"Microsoft.KeyVault/locations"}:
        assert f"{path}/read" in actions
    for provider in ("Compute", "Network", "ContainerService"):
        assert f"Microsoft.{provider}/locations/usages/read" in actions
    assert "/locations/{region}/usages" in texts
    assert "listClusterUserCredential" in texts
    assert "Microsoft.ContainerService/managedClusters/listClusterUserCredential/action" in actions
    assert "deletedVaults" in texts
    assert "Microsoft.KeyVault/locations/deletedVaults/read" in actions


def test_azure_roles_that_may_be_assigned_are_named_on_the_page() -> None:
    roles = declared("azure", r'"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"')
    assert len(roles) == 2
    assert all(ACCOUNTS.count(role) == 2 for role in roles)


def test_aws_page_knows_every_resource_and_its_statement() -> None:
    rows = dict(re.findall(r"^\| (`aws_.*?) \| (\w+) \|$", ACCOUNTS, re.MULTILINE))
    known = {name: sid for names, sid in rows.items() for name in re.findall(r"aws_\w+", names)}
    assert declared("aws", r'^resource "(\w+)"') == set(known)
    assert set(known.values()) <= {statement["Sid"] for statement in AWS["Statement"]}


def test_aws_policy_covers_what_the_code_asks_by_itself() -> None:
    files = (ROOT / "src" / "chainfleet" / "drivers" / "inventory").glob("aws_*.py")
    texts = "".join(path.read_text(encoding="utf-8") for path in files)
    asked = {name.replace("_", "") for name in re.findall(r'"((?:describe|list|get)_\w+)"', texts)}
    assert len(asked) > 20
    allowed = {
        a.split(":")[1].lower()
        for s in AWS["Statement"]
        for a in ([s["Action"]] if isinstance(s["Action"], str) else s["Action"])
    }
    # Everybody may ask who they are.
    assert asked - allowed - {"getcalleridentity"} == set()


def test_google_page_knows_every_resource_and_every_role_that_is_granted() -> None:
    assert declared("gcp", r'^resource "(\w+)"') == set(re.findall(r"`(google_\w+)`", ACCOUNTS))
    granted = declared("gcp", r'"roles/([\w.]+)"') - {
        "cloudkms.cryptoKeyEncrypterDecrypter",
        "iam.workloadIdentityUser",
    }
    assert all(role in ACCOUNTS for role in granted), granted


@pytest.mark.parametrize(
    "policy",
    [AZURE["Actions"], [a for s in AWS["Statement"] if isinstance(s["Action"], list) for a in s["Action"]]],
)
def test_nothing_is_allowed_wholesale(policy: list[str]) -> None:
    assert not [action for action in policy if "*" in action]

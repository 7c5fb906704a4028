"""Azure keeps a deleted key vault and its name for weeks: a fleet that was destroyed can be deployed again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from chainfleet.drivers.azure import endpoint
from chainfleet.drivers.terraform import states
from chainfleet.drivers.terraform.reality import Reality
from chainfleet.drivers.terraform.vaults import ADDRESS, vault_name
from chainfleet.model.errors import ErrorClass, TaskFailed

if TYPE_CHECKING:
    from chainfleet.model.fleet import Fleet
    from conftest import Workbench

REGION = "northeurope"
RECOVERING = "the key vault was deleted and is still kept, recovering it"
VERSION = "2023-07-01"


def renamed(fleet: Fleet) -> Fleet:
    """A fleet of another name whose resources have the same names."""
    azure = fleet.clouds.azure.model_copy(update={"resource_prefix": fleet.resource_prefix})
    clouds = fleet.clouds.model_copy(update={"azure": azure})
    return fleet.model_copy(update={"name": f"{fleet.name}-other", "clouds": clouds})


async def deploy(workbench: Workbench) -> None:
    for action in ("network", "cluster"):
        await workbench.change(action, REGION)


async def destroy(workbench: Workbench) -> None:
    for action in ("cluster", "network"):
        await workbench.undo(action, REGION)


def vault(workbench: Workbench) -> states.Held:
    state = states.read_state(workbench.root(REGION, "region") / "terraform.tfstate")
    assert state is not None
    return next(held for held in state.resources if held.address == ADDRESS)


def group(workbench: Workbench) -> str:
    subscription = workbench.environ["AZURE_SUBSCRIPTION_ID"]
    return f"/subscriptions/{subscription}/resourceGroups/{workbench.fleet.resource_prefix}-{REGION}"


async def is_kept(workbench: Workbench) -> bool:
    """Whether ARM knows the region's vault as a deleted one."""
    home = group(workbench)
    place = f"{home.partition('/resourceGroups')[0]}/providers/Microsoft.KeyVault/locations/{REGION}"
    name = vault_name(workbench.fleet.resource_prefix, home)
    reality = workbench.driver._runner.reality(workbench.environ)
    return await reality.read(f"{place}/deletedVaults/{name}", VERSION) is not None


async def delete(workbench: Workbench, resource_id: str) -> None:
    """Delete behind the driver's back, and wait until it is gone."""
    reality = workbench.driver._runner.reality(workbench.environ)
    headers = {"Authorization": f"Bearer {await reality._bearer()}"}
    url = f"{endpoint(workbench.environ)}{resource_id}?api-version={VERSION}"
    async with reality._connections() as client:
        response = await client.delete(url, headers=headers)
    assert response.status_code < 300, response.text
    async with asyncio.timeout(60):
        while not await is_kept(workbench):  # noqa: ASYNC110 - a condition outside of this process
            await asyncio.sleep(0.02)


async def assert_settled(workbench: Workbench) -> None:
    """The next look and the next apply find nothing to do."""
    before = workbench.writes()
    assert await workbench.observe("cluster", REGION) is not None
    assert not (await workbench.change("cluster", REGION)).changed
    assert workbench.writes() == before


def test_what_was_destroyed_can_be_deployed_again_and_then_stays_as_it_is(workbench: Workbench) -> None:
    async def run() -> None:
        # Long enough and hyphenated, so that the vault's name holds only a part of it.
        workbench.fleet = workbench.fleet.model_copy(update={"name": f"{workbench.fleet.name}-comes-back"})
        await deploy(workbench)
        first = vault(workbench)
        name = vault_name(workbench.fleet.resource_prefix, group(workbench))
        assert first.id.rpartition("/")[2] == name
        assert RECOVERING not in workbench.log
        await destroy(workbench)
        assert await is_kept(workbench)
        await deploy(workbench)
        assert RECOVERING in workbench.log
        # It was known before the first apply, not learnt from a refusal.
        assert not any("in deleted state" in line for line in workbench.log)
        assert not await is_kept(workbench)
        assert (vault(workbench).id, vault(workbench).body) == (first.id, first.body)
        await assert_settled(workbench)

    asyncio.run(run())


@pytest.mark.slow
def test_a_lost_workspace_does_not_matter(workbench: Workbench, tmp_path: Path) -> None:
    async def run() -> None:
        await deploy(workbench)
        await destroy(workbench)
        workbench.workspace = tmp_path / "another"
        workbench.workspace.mkdir()
        await deploy(workbench)
        assert RECOVERING in workbench.log
        await assert_settled(workbench)

    asyncio.run(run())


def test_a_vault_deleted_behind_our_back_comes_back_in_one_attempt(workbench: Workbench) -> None:
    async def run() -> None:
        await deploy(workbench)
        await delete(workbench, vault(workbench).id)
        assert await workbench.observe("cluster", REGION) is None
        assert (await workbench.change("cluster", REGION)).changed
        assert RECOVERING in workbench.log
        await assert_settled(workbench)

    asyncio.run(run())


def test_an_order_to_recover_that_an_attempt_left_in_its_state_is_withdrawn(workbench: Workbench) -> None:
    async def run() -> None:
        await deploy(workbench)
        await destroy(workbench)
        await workbench.change("network", REGION)
        workbench.fault(
            kind="server-error",
            region=REGION,
            resource="microsoft.containerservice/managedclusters",
            verb="PUT",
        )
        with pytest.raises(TaskFailed):
            await workbench.change("cluster", REGION)
        assert vault(workbench).body["properties"]["createMode"] == "recover"
        workbench.cloud.control("/faults", "DELETE")
        await workbench.change("cluster", REGION)
        assert "createMode" not in vault(workbench).body["properties"]
        await assert_settled(workbench)

    asyncio.run(run())


def test_who_may_not_see_deleted_vaults_can_still_deploy(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The emulated cloud knows no partial rights, so the refusal is put in its place."""
    read = Reality.read

    async def refusing(self: Reality, resource_id: str, api_version: str) -> dict[str, Any] | None:
        if "/deletedVaults/" in resource_id:
            raise TaskFailed(ErrorClass.AUTHORISATION, "403 AuthorizationFailed")
        return await read(self, resource_id, api_version)

    monkeypatch.setattr(Reality, "read", refusing)
    asyncio.run(deploy(workbench))
    assert any("403 AuthorizationFailed" in line for line in workbench.log)
    assert vault(workbench).id


def test_another_fleets_deleted_vault_is_never_recovered(workbench: Workbench) -> None:
    async def run() -> None:
        await deploy(workbench)
        await destroy(workbench)
        workbench.fleet = renamed(workbench.fleet)
        await workbench.change("network", REGION)
        with pytest.raises(TaskFailed, match="not tagged as the fleet's") as caught:
            await workbench.change("cluster", REGION)
        assert caught.value.error_class is ErrorClass.CONFIGURATION
        assert await is_kept(workbench)

    asyncio.run(run())

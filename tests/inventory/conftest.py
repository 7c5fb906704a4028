from __future__ import annotations

from collections.abc import Iterator

import pytest

from chainfleet.emulator.client import Running, start
from chainfleet.model.fleet import AzureCloud, Clouds, Fleet


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

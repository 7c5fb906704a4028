"""Emulated clusters over real HTTPS, and attempts of drivers that work on them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cluster_harness import EmulatedRegions


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    from chainfleet.emulator.tls import Authority

    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def regions(tmp_path, authority):
    """Builds emulated regions inside a running loop: `async with regions(...) as world`."""

    def build(**kwargs):
        return EmulatedRegions(tmp_path, authority, **kwargs)

    return build

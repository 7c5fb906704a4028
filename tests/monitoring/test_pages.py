"""The pages say what the code does."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from chainfleet.drivers.monitoring.rules import network_alerts, region_alerts

ROOT = Path(__file__).parents[2]


def test_every_alert_has_a_runbook_and_every_runbook_an_alert(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "tools" / "reference")
    fleet = importlib.import_module("metrics_page").example()
    text = (ROOT / "docs" / "operate" / "monitoring.md").read_text(encoding="utf-8")
    sections = re.findall(r"^### (\w+)$", text.partition("## Runbooks")[2], flags=re.MULTILINE)
    assert sorted(sections) == sorted(alert.name for alert in (*region_alerts(fleet), *network_alerts(fleet)))

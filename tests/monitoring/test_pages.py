"""The pages say what the code does."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

from chainfleet.drivers.monitoring.rules import network_alerts, region_alerts

ROOT = Path(__file__).parents[2]


def reference():
    path = ROOT / "tools" / "metric_reference.py"
    spec = importlib.util.spec_from_file_location("metric_reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_metric_reference_is_what_the_code_says():
    made = reference()
    assert made.PAGE.read_text(encoding="utf-8") == made.page(), "run: python tools/metric_reference.py"


def test_every_alert_has_a_runbook_and_every_runbook_an_alert():
    fleet = reference().example()
    text = (ROOT / "docs" / "operate" / "monitoring.md").read_text(encoding="utf-8")
    sections = re.findall(r"^### (\w+)$", text.partition("## Runbooks")[2], flags=re.MULTILINE)
    assert sorted(sections) == sorted(alert.name for alert in (*region_alerts(fleet), *network_alerts(fleet)))

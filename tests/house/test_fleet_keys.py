"""Every key of the fleet file does something: a key that nothing reads is a promise that nobody keeps."""

from __future__ import annotations

import re
from pathlib import Path

from chainfleet.model.fleet import Ceilings
from chainfleet.model.fleet_file import json_schema
from chainfleet.model.task import Phase

SOURCES = Path(__file__).parents[2] / "src" / "chainfleet"
DECLARING = {"fleet.py", "fleet_monitoring.py"}


def test_every_key_is_read_somewhere() -> None:
    code = "\n".join(path.read_text() for path in SOURCES.rglob("*.py") if path.name not in DECLARING)
    schema = json_schema()
    keys = {key for part in (schema, *schema["$defs"].values()) for key in part.get("properties", {})}
    # Read by the phases' names, and a key that is gone before the fleet is made.
    by_name = set(Ceilings.model_fields) | {"include"}
    assert set(Ceilings.model_fields) == {phase.value for phase in Phase}
    assert len(keys) > 70
    assert {key for key in keys - by_name if not re.search(rf"\.{key}\b", code)} == set()

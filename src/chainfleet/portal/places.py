"""Regions as the API tells them: where they lie, what time it is there, and how they fared."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence

from chainfleet.model.errors import FleetError
from chainfleet.model.event import Verdict
from chainfleet.model.region import azure_regions

from .environments.desk import Desk
from .environments.fleets import load_text
from .models.monitoring import RegionDetail, RegionFactsView, RegionRun
from .problems import not_found
from .runs.charts import work_by_phase

_RUNS = 30

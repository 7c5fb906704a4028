"""What chainfleet says of itself while it runs a plan: observers of the same events as the terminal's.

metrics  counts, for Prometheus
spans    run → phase → task → attempt → call, for OpenTelemetry
log      JSON lines with run, task and attempt
setup    which of them the environment asks for
"""

from .metrics import RUN_METRICS, RunMetrics
from .setup import Telemetry

__all__ = ["RUN_METRICS", "RunMetrics", "Telemetry"]

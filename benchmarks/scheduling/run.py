"""Everything about scheduling in one command; prints markdown tables.

python benchmarks/scheduling/run.py            # a few minutes
python benchmarks/scheduling/run.py --full     # 20 instances against 20 s of search each, a million tasks
python benchmarks/scheduling/run.py --only race,million
"""

from __future__ import annotations

import argparse
import platform
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import goals
import peers
import scale


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--full", action="store_true", help="the issue's sizes; takes the better part of an hour"
    )
    parser.add_argument("--only", default="", help="names, separated by commas")
    options = parser.parse_args()
    parts = {
        "orders": goals.orders,
        "search": lambda: goals.search_quality(*((20, 20) if options.full else (3, 4))),
        "ample": goals.ample_slots,
        "tokens": goals.token_bound,
        "capacity": goals.capacity_drop,
        "race": peers.race,
        "overhead": lambda: scale.overhead((288, 10_000, 100_000) if options.full else (288, 10_000)),
        "million": lambda: scale.million(1_000_000 if options.full else 100_000),
    }
    wanted = [name for name in options.only.split(",") if name] or list(parts)
    print(f"Python {platform.python_version()}, {platform.machine()}")
    for name in wanted:
        parts[name]()


if __name__ == "__main__":
    main()

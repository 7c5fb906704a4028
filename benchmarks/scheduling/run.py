"""Everything about scheduling in one command; prints markdown tables.

python benchmarks/scheduling/run.py            # a few minutes
python benchmarks/scheduling/run.py --full     # 20 instances against 20 s of search each, a million tasks
python benchmarks/scheduling/run.py --only race,million
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import durable
import goals
import growth
import peers
import ratios
import scale
import speed
import throwaway
from throwaway import Peers


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
        "ratios": ratios.ratios,
        "throttling": ratios.throttling,
        "search": lambda: _search(full=options.full),
        "ample": goals.ample_slots,
        "tokens": goals.token_bound,
        "capacity": goals.capacity_drop,
        "race": lambda: _with_peers(peers.race),
        "durable": lambda: _with_peers(lambda p: durable.throughput(p, (288, 10_000, 100_000))),
        "rehearsals": speed.rehearsals,
        "overhead": lambda: scale.overhead((288, 10_000, 100_000) if options.full else (288, 10_000)),
        "growth": lambda: growth.growth(growth.SIZES if options.full else growth.SIZES[:5]),
        "million": lambda: scale.million(1_000_000 if options.full else 100_000),
    }
    wanted = [name for name in options.only.split(",") if name] or list(parts)
    print(f"Python {platform.python_version()}, {platform.machine()}")
    for name in wanted:
        parts[name]()


def _search(*, full: bool) -> None:
    seeds, factor, cpsat_s = (20, 20, 60.0) if full else (5, 6, 20.0)
    _with_peers(lambda others: goals.search_quality(seeds, factor, others, cpsat_s))


def _with_peers(what: Callable[[Peers], None]) -> None:
    with throwaway.peers() as others:
        what(others)


if __name__ == "__main__":
    main()

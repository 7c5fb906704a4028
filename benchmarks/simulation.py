"""The long simulation: random deployments with crashes, checked after every event.

python benchmarks/simulation.py                     # one million events
python benchmarks/simulation.py --minutes 60        # an hour, with a fresh seed
python benchmarks/simulation.py --seed 2510         # play one seed again
"""

from __future__ import annotations

import argparse
import secrets
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "simulation"))

from simulated_referee import Foul
from simulated_world import World


def main() -> int:
    options = _options()
    if options.seed is not None:
        world = World(options.seed).run()
        print(f"seed {options.seed}: {world.events} events, {world.crashes} crashes, {world.referee.finish}")
        return 0
    first = secrets.randbelow(1 << 32) if options.first is None else options.first
    return _play(first, options.events, options.minutes, options.fouls)


def _play(first: int, events: int, minutes: float | None, most_fouls: int) -> int:
    began = time.monotonic()
    done = crashes = runs = fouls = 0
    while (time.monotonic() - began < 60 * minutes) if minutes else done < events:
        world = World(first + runs)
        try:
            world.run()
        except Foul as foul:
            fouls += 1
            print(foul)
            if fouls >= most_fouls:
                break
        done, crashes, runs = done + world.events, crashes + world.crashes, runs + 1
    took = time.monotonic() - began
    print(
        f"seeds {first} to {first + runs - 1}: {runs:,} runs, {done:,} events, {crashes:,} crashes of the",
        end=" ",
    )
    print(f"coordinator, {fouls} broken invariants, {took:.0f} s ({done / took:,.0f} events/s)")
    return 1 if fouls else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=1_000_000, help="events to play")
    parser.add_argument("--minutes", type=float, help="play for so long instead")
    parser.add_argument("--first", type=int, help="first seed; a fresh one if not given")
    parser.add_argument("--seed", type=int, help="play this seed only")
    parser.add_argument("--fouls", type=int, default=5, help="stop after so many broken invariants")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())

"""Prints what our layers cost: `python -m bench [--json] [--only command|append] [--turns N] [--seconds S]`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys

import uvloop

from bench import append, command
from bench.harness import Comparison, Plan

# The command measurement starts processes, which is best done before gRPC has threads; so it comes last.
MEASUREMENTS = {"append": append.measure, "command": command.measure}
CONCURRENCIES = (1, 32)
_PLAN = Plan()


async def run(names: list[str], plan: Plan) -> list[Comparison]:
    """Measure one thing after the other, never two at once."""
    found: list[Comparison] = []
    for name in names:
        found.extend(await MEASUREMENTS[name](plan, CONCURRENCIES))
    return found


def show(found: list[Comparison]) -> None:
    """Print a table."""
    print(
        f"{'ours / bare, median of turns':54} {'at once':>7} {'ratio':>6} {'(spread)':>13} {'ours/s':>8} {'bare/s':>8}"
    )
    for comparison in found:
        line = comparison.as_json()
        spread = f"({line['ratio_least']:.2f}-{line['ratio_most']:.2f})"
        print(
            f"{line['name']:54} {line['concurrency']:7} {line['ratio']:6.2f} {spread:>13}"
            f" {line['ours']['per_s']:8.0f} {line['bare']['per_s']:8.0f}"
        )


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--only", choices=sorted(MEASUREMENTS), action="append", help="leave the others out")
    parser.add_argument("--turns", type=int, default=_PLAN.turns, help="turns of each side")
    parser.add_argument("--seconds", type=float, default=_PLAN.seconds, help="length of a turn")
    arguments = parser.parse_args()
    plan = Plan(turns=max(1, arguments.turns), seconds=max(0.05, arguments.seconds))
    found = uvloop.run(run(arguments.only or list(MEASUREMENTS), plan))
    if arguments.json:
        machine = {"cpus": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
        print(json.dumps({"machine": machine, "comparisons": [comparison.as_json() for comparison in found]}))
    else:
        show(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())

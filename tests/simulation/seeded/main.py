"""Runs many seeds on every core and sums up: `make simulate SEEDS=1000`, or `SEED=17` for one.

With `--trace` every stored message is printed as it comes; `--no-faults` lets nothing go wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.seeded.world import Report, simulate


def _one(job: tuple[int, int, bool, bool]) -> Report:
    seed, orders, faults, trace = job
    return simulate(seed, orders=orders, faults=faults, trace=trace)


def main() -> int:
    """Run what the command line asks for; 0 where every property held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--orders", type=int, default=10)
    parser.add_argument("--no-faults", action="store_true")
    parser.add_argument("--trace", action="store_true")
    asked = parser.parse_args()
    seeds = [asked.seed] if asked.seed is not None else range(asked.first, asked.first + asked.seeds)
    jobs = [(seed, asked.orders, not asked.no_faults, asked.trace) for seed in seeds]
    begun = time.monotonic()
    if len(jobs) == 1:
        return _summed([_one(jobs[0])], begun)
    reports = []
    with ProcessPoolExecutor(os.cpu_count(), max_tasks_per_child=None) as pool:
        for report in pool.map(_one, jobs, chunksize=4):
            reports.append(report)
            if report.failure:
                print(_told(report), flush=True)  # noqa: T201
            if len(reports) % 50 == 0:
                print(f"{len(reports)} of {len(jobs)} seeds, {time.monotonic() - begun:.0f} s", flush=True)  # noqa: T201
    return _summed(reports, begun)


def _told(report: Report) -> str:
    return f"seed {report.seed}: {report.failure}\n  again: make simulate SEED={report.seed}"


def _summed(reports: list[Report], begun: float) -> int:
    failed = [report for report in reports if report.failure]
    faults: Counter[str] = Counter()
    checked: Counter[str] = Counter()
    ends: Counter[str] = Counter()
    for report in reports:
        faults += report.faults
        checked += report.checked
        ends += report.ends
    if len(reports) == 1:
        print(f"log {reports[0].digest}")  # noqa: T201
    print(  # noqa: T201
        f"{len(reports)} seeds, {sum(r.orders for r in reports)} orders, {sum(r.events for r in reports)} messages, "
        f"{sum(r.steps for r in reports)} steps, {sum(r.virtual_s for r in reports) / 3600:.0f} virtual hours, "
        f"{time.monotonic() - begun:.0f} s"
    )
    for title, counts in (("orders that ended", ends), ("faults injected", faults), ("properties checked", checked)):
        print(f"{title}: " + ", ".join(f"{name} {count}" for name, count in sorted(counts.items())))  # noqa: T201
    for report in failed:
        print(_told(report))  # noqa: T201
    print("every property held" if not failed else f"{len(failed)} seeds failed")  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order of sets must not differ from run to run.
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.simulation.seeded.main", *sys.argv[1:]],
            {**os.environ, "PYTHONHASHSEED": "0"},
        )
    raise SystemExit(main())

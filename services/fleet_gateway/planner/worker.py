"""The planning process: reads problems from standard input, one JSON line each, and answers on standard output.

Started by `services.fleet_gateway.planner.process`; ends when its input ends, so it never outlives the service. What
went wrong with one problem is its answer (`{"failed": …}`) and does not end the process.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from typing import BinaryIO

from services.fleet_gateway.planner.effort import Effort
from services.fleet_gateway.planner.great_circle import GreatCircle
from services.fleet_gateway.planner.port import PlannerFailed
from services.fleet_gateway.planner.vroom import solve
from services.fleet_gateway.planner.wire import dumps, problem_of


def serve(source: BinaryIO, sink: BinaryIO, matrix: GreatCircle, effort: Effort) -> None:
    """Answer every line of `source` on `sink` until `source` ends."""
    for line in source:
        try:
            answer = dumps(solve(problem_of(line), matrix, effort))
        except (PlannerFailed, KeyError, TypeError, ValueError) as error:
            answer = json.dumps({"failed": f"{type(error).__name__}: {error}"}).encode()
        sink.write(answer + b"\n")
        sink.flush()


def main() -> None:
    """Serve on the standard streams. The engine's own output must not reach the answers, so they get a copy."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the service's to handle; it closes our input
    parser = argparse.ArgumentParser()
    parser.add_argument("--road-factor", type=float, required=True)
    parser.add_argument("--speed-mps", type=float, required=True)
    parser.add_argument("--truck-cost-s", type=int, required=True)
    parser.add_argument("--guard-s", type=float, required=True)
    given = parser.parse_args()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    serve(
        sys.stdin.buffer,
        answers,
        GreatCircle(given.road_factor, given.speed_mps),
        Effort(truck_cost_s=given.truck_cost_s, guard_s=given.guard_s),
    )


if __name__ == "__main__":
    main()

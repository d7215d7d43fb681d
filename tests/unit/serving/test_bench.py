from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.command import COMMANDS
from bench.harness import Plan, compare
from bench.sample import submission
from gladhand import validation


async def test_sides_take_turns_and_the_order_is_reversed_each_time() -> None:
    seen: list[str] = []

    async def ours() -> None:
        seen.append("ours")

    async def bare() -> None:
        seen.append("bare")

    comparison = await compare("trial", ours, bare, 2, Plan(turns=3, seconds=0.005, warm_up=2))
    turns = [side for number, side in enumerate(seen) if not number or seen[number - 1] != side]
    # The two warm-ups, then ours-bare, bare-ours, ours-bare; neighbours of one side run together.
    assert turns == ["ours", "bare", "ours", "bare", "ours", "bare"]
    assert len(comparison.ratios) == 3
    line = comparison.as_json()
    assert line["ratio_least"] <= line["ratio"] <= line["ratio_most"]
    assert line["ours"]["p50_ms"] <= line["ours"]["p99_ms"]


async def test_a_fault_of_a_side_ends_the_measurement() -> None:
    async def broken() -> None:
        raise ConnectionError("no server")

    with pytest.raises(ConnectionError):
        await compare("trial", broken, broken, 1, Plan(turns=1, seconds=0.005, warm_up=1))


def test_the_message_that_is_measured_keeps_every_rule() -> None:
    validation.check(submission())


def measured(repository: Path, only: str) -> list[tuple[str, int]]:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--json", "--only", only, "--turns", "1", "--seconds", "0.05"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
        timeout=150,
    )
    found = json.loads(done.stdout)["comparisons"]
    assert all(line["ratio"] > 0 for line in found)
    return [(line["name"], line["concurrency"]) for line in found]


def test_the_bench_of_the_log_runs_and_prints_one_json_object(repository: Path) -> None:
    name = "event append: event store / bare JetStream publish"
    assert measured(repository, "append") == [(name, 1), (name, 32)]


@pytest.mark.slow
def test_the_bench_of_commands_runs_and_prints_one_json_object(repository: Path) -> None:
    assert measured(repository, "command") == [(name, number) for name in COMMANDS for number in (1, 32)]

"""A drawing says exactly what the contract declares, and the command draws, writes and refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gladhand.cli.contracts import drawing as command
from gladhand.cli.main import app
from gladhand.contracts.installed import files
from gladhand.contracts.lifecycles import lifecycles
from gladhand.contracts.mermaid import anchor, drawing, page
from gladhand.lifecycle import Edge, Lifecycle, lifecycle_of
from tests.adapters.log.parcel import pb

EVERY = lifecycles(files())
ARROW = re.compile(r"    (\S+) --> (\S+?)(?:: (.+))?")
every_lifecycle = pytest.mark.parametrize("table", EVERY, ids=lambda table: str(table.enum))


def read_back(text: str, table: Lifecycle) -> tuple[set[Edge], set[Edge], set[str], set[str]]:
    """Edges, births, born states and terminal states of a drawing, read by its own words."""
    first, *lines = text.splitlines()
    assert first == "stateDiagram-v2"
    prefix = table.numbers[0].removesuffix("UNSPECIFIED")
    edges: set[Edge] = set()
    births: set[Edge] = set()
    born: set[str] = set()
    ended: set[str] = set()
    for line in lines:
        found = ARROW.fullmatch(line)
        assert found, line
        source, target, label = found[1], found[2], found[3]
        events = label.split(", ") if label else []
        if source == "[*]":
            born.add(prefix + target)
            births |= {Edge(None, event, prefix + target) for event in events}
        elif target == "[*]":
            ended.add(prefix + source)
        else:
            assert events, f"{line}: an arrow between states names no event"
            edges |= {Edge(prefix + source, event, prefix + target) for event in events}
    return edges, births, born, ended


@every_lifecycle
def test_a_drawing_holds_every_edge_and_no_other(table: Lifecycle) -> None:
    edges, births, born, ended = read_back(drawing(table), table)
    assert edges == table.edges
    assert births == table.births
    assert born == table.initial
    assert ended == table.terminal


def test_a_small_lifecycle_is_drawn_in_the_order_of_its_enum() -> None:
    assert drawing(lifecycle_of(pb.ParcelState)) == (
        "stateDiagram-v2\n"
        "    [*] --> REGISTERED: registered\n"
        "    REGISTERED --> SHIPPED: shipped\n"
        "    SHIPPED --> DELIVERED: closed\n"
        "    SHIPPED --> LOST: closed\n"
        "    DELIVERED --> [*]\n"
        "    LOST --> [*]\n"
    )


def test_the_page_names_what_may_happen_in_any_state_and_links_to_each_section() -> None:
    text = page([lifecycle_of(pb.ParcelState), lifecycle_of(pb.PieceState)])
    assert "In any state, leaving it as it is: `noted`, `scanned`." in text
    assert "- [ParcelState](#parcelstate)" in text
    assert "## PieceState" in text


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["contracts", "diagram", *arguments])


def test_the_command_draws_one_by_short_or_full_name() -> None:
    short, full = run("OrderState"), run("logistics.order.v1.OrderState")
    assert short.exit_code == full.exit_code == 0
    assert short.stdout == full.stdout
    assert short.stdout.startswith("stateDiagram-v2\n")


def test_the_command_draws_all_as_json() -> None:
    shown = json.loads(run("--json").stdout)
    assert set(shown) == {table.enum for table in EVERY}


def test_an_unknown_name_is_told_with_the_known_ones() -> None:
    done = run("NoState")
    assert done.exit_code == 4
    assert "OrderState" in done.stderr


def test_writing_one_alone_is_wrong_usage() -> None:
    assert run("OrderState", "--write").exit_code == 2


def test_the_page_is_written_into_the_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "proto").mkdir()
    monkeypatch.setattr(command, "clone_root", lambda: tmp_path)
    assert run("--write").exit_code == 0
    written = (tmp_path / command.PAGE).read_text(encoding="utf-8")
    assert all(f"## {anchor(table)}\n" in written for table in EVERY)


def test_outside_a_clone_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "clone_root", lambda: tmp_path)
    done = run("--write")
    assert done.exit_code == 1
    assert "is no clone" in done.stderr

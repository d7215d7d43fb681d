"""Ports: the usual ones, others where busy, the same again."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from gladhand.cli.mesh.ports import NoPortError, choose, is_free, recall, remember

USUAL = {"nats": 4222, "tryton": 8000}


def test_the_usual_ports_where_they_are_free() -> None:
    assert choose({}, lambda _: True, USUAL) == USUAL


def test_a_busy_port_gives_way_in_steps_of_a_hundred() -> None:
    assert choose({}, lambda port: port not in {4222, 4322}, USUAL) == {"nats": 4422, "tryton": 8000}


def test_a_remembered_port_is_taken_again() -> None:
    assert choose({"nats": 4422}, lambda _: True, USUAL)["nats"] == 4422


def test_a_remembered_port_that_is_busy_now_is_not() -> None:
    assert choose({"nats": 4422}, lambda port: port != 4422, USUAL)["nats"] == 4222


def test_no_two_names_share_a_port() -> None:
    assert choose({"tryton": 4222}, lambda _: True, USUAL) == {"nats": 4222, "tryton": 8000}


def test_no_port_at_all_is_said_by_name() -> None:
    with pytest.raises(NoPortError, match="nats"):
        choose({}, lambda _: False, USUAL)


def test_a_port_that_somebody_listens_on_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert not is_free(listener.getsockname()[1])


def test_ports_are_remembered(tmp_path: Path) -> None:
    remember(tmp_path / "ports.json", USUAL)
    assert recall(tmp_path / "ports.json") == USUAL


@pytest.mark.parametrize("content", ["", "[]", "{", '{"nats": "x"}'])
def test_a_damaged_memory_is_no_memory(tmp_path: Path, content: str) -> None:
    (tmp_path / "ports.json").write_text(content)
    assert recall(tmp_path / "ports.json") == {}

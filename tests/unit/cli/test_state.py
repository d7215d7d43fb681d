"""The state file."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from gladhand.cli.mesh.identity import Identity
from gladhand.cli.mesh.state import Condition, MeshState, Phase, ProcessState, read, stamp, write

_PORTS = {"nats": 4222, "orchestrator": 7051, "orchestrator_token": 7061}


def mesh(supervisor: Identity) -> MeshState:
    state = MeshState(supervisor, "us", _PORTS, stamp(), Phase.READY)
    state.processes["nats"] = ProcessState("nats", Condition.READY, Identity(1, "gone"), since=stamp())
    return state


@pytest.fixture
def own() -> Identity:
    found = Identity.of(os.getpid())
    assert found is not None
    return found


def test_what_is_written_is_read(tmp_path: Path, own: Identity) -> None:
    write(tmp_path / "mesh.json", mesh(own))
    found = read(tmp_path / "mesh.json")
    assert found is not None
    assert found.processes["nats"].identity == Identity(1, "gone")
    assert found.ready
    assert found.target("orchestrator") == "127.0.0.1:7051"


def test_callers_with_a_token_are_told_a_port_of_their_own_where_there_is_one(own: Identity) -> None:
    plain, secured = mesh(own), replace(mesh(own), secure_folder="/secure")
    assert secured.token_target("orchestrator") == "127.0.0.1:7061"
    assert secured.token_target("nats") == ""
    assert plain.token_target("orchestrator") == ""


def test_state_that_a_killed_supervisor_left_is_not_running(own: Identity) -> None:
    assert not mesh(Identity(own.pid, "before the last boot")).running


def test_orphans_are_those_that_still_run(own: Identity) -> None:
    left = mesh(Identity(own.pid, "before"))
    left.processes["edge"] = ProcessState("edge", Condition.READY, own, since=stamp())
    assert left.orphans() == [own]


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"form": 99}', '{"form": 1, "processes": 3}'])
def test_a_damaged_or_foreign_file_is_no_state(tmp_path: Path, content: str) -> None:
    (tmp_path / "mesh.json").write_text(content)
    assert read(tmp_path / "mesh.json") is None


def test_no_file_is_no_state(tmp_path: Path) -> None:
    assert read(tmp_path / "mesh.json") is None

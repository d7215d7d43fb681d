"""Two meshes that start at the same time never take the same port."""

from __future__ import annotations

from pathlib import Path

from gladhand.cli.mesh.claims import claiming
from gladhand.cli.mesh.ports import USUAL, choose


def test_two_meshes_that_start_together_choose_different_ports(tmp_path: Path) -> None:
    with claiming(tmp_path) as ours, claiming(tmp_path) as theirs:
        first = choose({}, ours.take)
        second = choose({}, theirs.take)
    assert not set(first.values()) & set(second.values())


def test_a_port_may_be_taken_again_when_its_mesh_has_ended(tmp_path: Path) -> None:
    with claiming(tmp_path) as ours:
        first = choose({}, ours.take)
    with claiming(tmp_path) as again:
        assert choose(first, again.take) == first
    assert first.keys() == USUAL.keys()

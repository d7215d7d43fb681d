"""The directory of a mesh."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gladhand.cli.home import Home


@pytest.fixture
def open_hearted() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("open_hearted")
def test_what_is_made_is_for_its_owner_alone_and_what_was_there_stays_as_it_is(tmp_path: Path) -> None:
    shared = tmp_path / "cache"
    shared.mkdir(mode=0o755)
    home = Home(tmp_path / "deep" / "home", shared)
    home.prepare()
    home.prepare()
    assert {mode(each) for each in (home.root, home.logs, home.run)} == {0o700}
    assert mode(shared) == 0o755

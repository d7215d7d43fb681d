"""Both wheels build, install into an empty environment with what they declare, are typed, and work."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.conftest import Access
from tests.clients.story import assert_told, run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_ALL = {"gladhand-client", "gladhand-contracts", "googleapis-common-protos", "grpcio", "protobuf", "typing-extensions"}
_BIN = Path(sys.executable).parent


class Environment:
    """A virtual environment of a team that knows nothing of this repository."""

    def __init__(self, folder: Path, wheels: Path) -> None:
        self.python = folder / "bin" / "python"
        self._wheels = wheels
        run(_BIN / "uv", "venv", "--quiet", "--python", sys.executable, folder, cwd=wheels, env=os.environ)

    def install(self, *packages: str) -> None:
        pip = (_BIN / "uv", "pip", "install", "--quiet", "--python", self.python)
        run(*pip, "--find-links", self._wheels, *packages, cwd=self._wheels, env=os.environ)

    def installed(self) -> set[str]:
        listing = run(
            _BIN / "uv", "pip", "list", "--quiet", "--format", "json", "--python", self.python,
            cwd=self._wheels, env=os.environ,
        )  # fmt: skip
        return {entry["name"] for entry in json.loads(listing)}


@pytest.fixture(scope="module")
def team(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("team")
    (wheels := folder / "wheels").mkdir()
    for project in ("gen/python", "clients/python"):
        leftovers = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
        source = shutil.copytree(repository / project, folder / project, ignore=leftovers)
        run(
            _BIN / "uv", "build", "--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable,
            "--out-dir", wheels, source,
            cwd=folder, env=os.environ,
        )  # fmt: skip
    team = Environment(folder / "venv", wheels)
    team.install("gladhand-client")
    return team


def test_a_team_gets_by_with_what_the_wheels_declare(team: Environment, access: Access, repository: Path) -> None:
    assert team.installed() == _ALL
    program = repository / "examples/clients/python/orders.py"
    assert_told(run(team.python, program, cwd=team.python.parent, env=access.environment, within_s=60))


def test_a_team_reads_events_with_the_contracts_and_a_nats_client(
    team: Environment, access: Access, repository: Path
) -> None:
    team.install("nats-py[nkeys]")
    orders = repository / "examples/clients/python/orders.py"
    run(team.python, orders, cwd=team.python.parent, env=access.environment, within_s=60)
    reader = subprocess.Popen(
        [
            team.python, repository / "examples/print_events.py", access.nats,
            "--ca", access.ca, "--credentials", access.seed, "--reads", "order",
        ],
        env=access.environment, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    with reader:
        try:
            assert reader.stdout is not None
            assert any(line.split()[2:] == ["released"] for line in reader.stdout)
        finally:
            reader.kill()


def test_a_team_checks_its_code_strictly(team: Environment, repository: Path, tmp_path: Path) -> None:
    team.install("gladhand-contracts[types]")
    program = Path(shutil.copy(repository / "examples/clients/python/orders.py", tmp_path))
    wrong = tmp_path / "wrong.py"
    wrong.write_text(program.read_text().replace('lines=[OrderLine(line_id="1"', "lines=[OrderLine(line_id=1"))
    mypy = (_BIN / "mypy", "--strict", "--config-file", os.devnull, "--cache-dir", tmp_path / "cache")
    run(*mypy, "--python-executable", team.python, program, cwd=tmp_path, env=os.environ)
    with pytest.raises(AssertionError, match=r"line_id.*expected \"str"):
        run(*mypy, "--python-executable", team.python, wrong, cwd=tmp_path, env=os.environ)

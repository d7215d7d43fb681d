"""One mesh for every client, and how each of them is told where it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Access:
    """What a client is given."""

    target: str
    nats: str
    ca: str
    token: str
    seed: str
    """Path of the operator's seed for NATS."""

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a client's process: this one's, with nothing of Gladhand in it but the access."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GLADHAND_")}
        given = {"GLADHAND_TARGET": self.target, "GLADHAND_CA": self.ca, "GLADHAND_TOKEN": self.token}
        return kept | {name: value for name, value in given.items() if value} | self._bus

    @property
    def _bus(self) -> dict[str, str]:
        return {"NATS_URL": self.nats, "NATS_CA": self.ca, "NATS_NKEY": self.seed}


@pytest.fixture(scope="session")
def access(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Access]:
    """A running mesh; its log is shown where it does not start."""
    folder = tmp_path_factory.mktemp("mesh")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.clients.serve", str(folder)],
            cwd=repository, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
        )  # fmt: skip
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                pytest.fail(f"the mesh did not start: {(folder / 'log').read_text()[-2000:]}")
            yield Access(**json.loads(line))
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()

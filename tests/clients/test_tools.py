"""The lines of docs/clients.md that call tools which are not ours, run as they stand there against a live mesh.

A block is tried where `<!-- tried: NAME -->` stands above it: `secure` or `insecure` is what a shell is told first, any
other NAME is the program that the block needs.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.clients.conftest import Access
from tests.clients.story import run
from tools import generate_clients

_BLOCK = re.compile(r"<!-- tried: (\w+) -->\n```sh\n(.*?)```", re.DOTALL)
_ORDER = "examples/clients/python/orders.py"


class Page:
    """A page of documentation whose blocks a shell runs, with the tools of this repository on its PATH."""

    def __init__(self, path: Path, repository: Path, access: Access) -> None:
        self._text = path.read_text(encoding="utf-8")
        self._blocks = _BLOCK.findall(self._text)
        self._repository = repository
        self._access = access
        own = [str(Path(sys.executable).parent), str(repository / generate_clients.OUT / "bin")]
        self._env = access.environment | {"PATH": os.pathsep.join([*own, os.environ["PATH"]])}

    def has(self, program: str) -> bool:
        return shutil.which(program, path=self._env["PATH"]) is not None

    def install(self, program: str) -> None:
        """Install a Go program by the very line that the page gives."""
        found = re.search(rf"`go install (\S+/{program}@\S+)`", self._text)
        assert found is not None
        generate_clients.go_install(program, found[1])

    def tried(self, name: str) -> str:
        """Run every block of that name, an order on record, and return what they printed."""
        blocks = [text for of, text in self._blocks if of == name]
        assert blocks
        first = next(text for of, text in self._blocks if of == ("secure" if self._access.ca else "insecure"))
        run(sys.executable, self._repository / _ORDER, cwd=self._repository, env=self._env, within_s=60)
        script = "\n".join(["set -euo pipefail", first, *blocks])
        return run("bash", "-c", script, cwd=self._repository, env=self._env, within_s=90)


@pytest.fixture
def page(access: Access, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Page:
    monkeypatch.chdir(repository)
    return Page(repository / "docs/clients.md", repository, access)


def _need(page: Page, program: str) -> None:
    if page.has(program):
        return
    if lacking := generate_clients.missing("go"):
        pytest.skip(f"{program.upper()} IS NOT TESTED: it is not on the PATH and cannot be built, {lacking}")
    page.install(program)


def test_buf_curl_works_by_reflection(page: Page) -> None:
    told = page.tried("buf")
    assert "logistics.orchestrator.v1.OrchestratorService/SubmitOrder" in told
    assert '"orderId"' in told


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_ghz_loads_by_reflection(page: Page) -> None:
    _need(page, "ghz")
    told = page.tried("ghz")
    assert re.search(r"\[OK\]\s+50 responses", told), told


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_nats_command_shows_streams_and_events(page: Page) -> None:
    _need(page, "nats")
    told = page.tried("nats")
    assert "ORDERS" in told.splitlines()
    assert re.search(r"^logistics\.order\.us\.[0-9a-f-]{36}\.received$", told, re.MULTILINE)
    assert '"correlationId"' in told

"""The examples of every language, built by that language's own tools and run against one live mesh.

A language whose toolchain is absent is skipped, and the skip says so in capitals.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.clients.conftest import Access
from tests.clients.story import assert_told, run
from tools import generate_clients, generate_typescript, node

# A cold cache downloads and compiles gRPC for Go and Java.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]


@pytest.fixture
def at_the_root(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(repository)
    return repository


def _skip(language: str, lacking: str) -> None:
    if lacking:
        pytest.skip(f"{language.upper()} IS NOT TESTED: {lacking}")


def test_typescript_submits_watches_and_reads_refusals(access: Access, at_the_root: Path) -> None:
    _skip("TypeScript", node.missing())
    folder = at_the_root / "examples/clients/typescript"
    node.install(folder, generate_typescript.TARGET)
    run("npx", "--no-install", "tsc", cwd=folder, env=access.environment)
    assert_told(run("node", "dist/orders.js", cwd=folder, env=access.environment, within_s=60))
    told = run("node", "--test", "--test-reporter=tap", "dist/", cwd=folder, env=access.environment, within_s=120)
    assert "# pass 6\n# fail 0\n" in told, told


def test_go_submits_watches_and_reads_refusals(access: Access, at_the_root: Path, tmp_path: Path) -> None:
    _skip("Go", generate_clients.missing("go"))
    generate_clients.go()
    folder = at_the_root / "examples/clients/go"
    run("go", "vet", ".", cwd=folder, env=access.environment)
    run("go", "build", "-o", tmp_path / "orders", ".", cwd=folder, env=access.environment)
    assert_told(run(tmp_path / "orders", cwd=folder, env=access.environment, within_s=60))


def test_java_submits_watches_and_reads_refusals(access: Access, at_the_root: Path) -> None:
    _skip("Java", generate_clients.missing("java"))
    generate_clients.java()
    folder = at_the_root / "examples/clients/java"
    run("mvn", "-q", "-B", "compile", "dependency:copy-dependencies", cwd=folder, env=access.environment)
    classes = "target/classes:target/dependency/*"
    told = run("java", "-cp", classes, "gladhand.example.Orders", cwd=folder, env=access.environment, within_s=60)
    assert_told(told)

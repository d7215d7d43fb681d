"""The real buf agrees with the contract, and the committed code is what the contract generates."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import check_contract, generate


@pytest.fixture(autouse=True)
def at_the_root(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)


def test_lint_format_and_breaking_are_clean(capsys: pytest.CaptureFixture[str]) -> None:
    failed = check_contract.main()
    assert capsys.readouterr().out == ""
    assert failed == 0


def test_generated_code_is_fresh(tmp_path: Path) -> None:
    fresh = generate.generate(tmp_path)
    assert generate.differences(fresh, Path("gen")) == []

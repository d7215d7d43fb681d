"""The real buf agrees with the contract, and the committed code is what the contract generates."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import check_contract, generate, release_contract


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


def test_a_version_that_is_no_version_is_not_released(capsys: pytest.CaptureFixture[str]) -> None:
    assert release_contract.main(["1.0"]) == 2
    assert "VERSION=v1.0.0" in capsys.readouterr().out


def test_versions_are_ordered_by_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("v1.10.0", "v1.2.0", "v1.9.1"):
        (tmp_path / f"{name}.binpb").touch()
    monkeypatch.setattr(check_contract, "RELEASED", tmp_path)
    assert [image.stem for image in check_contract.released_images()] == ["v1.2.0", "v1.9.1", "v1.10.0"]

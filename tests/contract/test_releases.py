"""Contracts are compared and released by the command line, as a person would do it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gladhand.cli.main import app
from gladhand.contracts import changes, image, released
from tests.contract.plugin.workspace import edited


@pytest.fixture
def proto(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the contract as if v1.0.0 had been its only release, in whose root the commands run."""
    clone = tmp_path / "clone"
    for folder in ("proto", "third_party"):
        shutil.copytree(repository / folder, clone / folder)
    shutil.copy(repository / "buf.yaml", clone)
    for later in released.images(clone / "proto" / "released")[1:]:
        later.unlink()
    monkeypatch.chdir(clone)
    return Path("proto")


def edit(file: Path, edits: dict[str, str]) -> None:
    file.write_text(edited(edits, file.read_text(encoding="utf-8")), encoding="utf-8")


def run(*arguments: str | Path) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["contracts", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr


def test_a_release_freezes_the_contract_without_positions(proto: Path) -> None:
    code, told, _ = run("release", "v1.1.0")
    target = proto / "released" / "v1.1.0.binpb"
    assert (code, told) == (0, f"released {target}; commit it, and tag the commit contracts/v1.1.0\n")
    frozen = image.load(target)
    assert not any(file.source_code_info.location for file in frozen.file)
    assert run("diff", target, proto)[:2] == (0, f"{target} to {proto}: nothing changed\n")


@pytest.mark.parametrize(
    ("version", "code", "says"),
    [
        ("1.1", 2, "write it as v1.2.3"),
        ("v1.0.0", 1, "is released already and never changes"),
        ("v0.9.9", 1, "v0.9.9 comes before v1.0.0, the last release"),
    ],
)
def test_a_version_that_is_none_or_not_the_next_is_refused(proto: Path, version: str, code: int, says: str) -> None:
    found, _, told = run("release", version)
    assert found == code
    assert says in told
    assert [path.stem for path in released.images(proto / "released")] == ["v1.0.0"]


def test_a_breaking_contract_is_not_released_and_the_new_package_is_named(proto: Path) -> None:
    edit(proto / "logistics/type/v1/place.proto", {"string city = 2": "int32 city = 2"})
    code, _, told = run("release", "v1.1.0")
    assert code == 1
    assert "nothing released: v1.0.0 would break" in told
    assert "logistics/type/v1/place.proto:" in told
    assert "a new package logistics.type.v2 beside logistics.type.v1" in told
    assert not (proto / "released" / "v1.1.0.binpb").exists()


def test_a_contract_that_fails_lint_is_not_released(proto: Path) -> None:
    edit(proto / "logistics/type/v1/place.proto", {"// City or town. Unset where none is known.": ""})
    code, _, told = run("release", "v1.1.0")
    assert code == 1
    assert "has to pass its checks first" in told
    assert 'Field "city" should have a non-empty comment' in told


def test_diff_tells_what_changed_and_for_whom(proto: Path) -> None:
    edit(
        proto / "logistics/type/v1/place.proto",
        {"(buf.validate.field).string.max_len = 100": "(buf.validate.field).string.max_len = 50"},
    )
    code, told, _ = run("diff", "--json", proto / "released" / "v1.0.0.binpb", proto)
    document = json.loads(told)
    assert code == 1
    assert document["breaks"]
    (change,) = [change for change in document["changes"] if change["kind"] == "tightened"]
    assert change["element"] == "logistics.type.v1.Address.city"
    assert change["rule"] == "RULE_NO_TIGHTEN"
    assert change["file"] == "logistics/type/v1/place.proto"
    assert change["line"] > 1
    assert "callers of logistics.orchestrator.v1.OrchestratorService/SubmitOrder (INTERNAL)" in change["whom"]
    assert "writers of order events (ORDERS)" in change["whom"]
    assert not any(who.startswith("readers") for who in change["whom"]), "a tighter rule hits those who send"
    code, told, _ = run("diff", proto / "released" / "v1.0.0.binpb", proto)
    assert code == 1
    assert told.startswith("tightened (1)")


def test_additions_break_nobody(proto: Path) -> None:
    field = "  string city = 2 [(buf.validate.field).string.max_len = 100];\n"
    more = "  // The floor. Unset means unknown.\n  int32 floor = 77;\n"
    edit(proto / "logistics/type/v1/place.proto", {field: field + more})
    code, told, _ = run("diff", "--json", proto / "released" / "v1.0.0.binpb", proto)
    assert code == 0
    added = {change["element"] for change in json.loads(told)["changes"] if change["kind"] == "added"}
    assert "logistics.type.v1.Address.floor" in added


@pytest.mark.parametrize("place", ["../copy", "copy", "proto/copy"])
def test_a_copy_of_the_protos_alone_is_a_contract_too_wherever_it_lies(proto: Path, place: str) -> None:
    ours = image.load(proto)
    shutil.copytree(proto, place)
    assert changes.compare(ours, image.load(Path(place))) == ()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "there is no such image or folder of protos"),
        (b"", "there is no contract in it"),
        (b"garbage", "this is no image of a contract"),
    ],
)
def test_what_is_no_contract_is_named(content: bytes | None, says: str, tmp_path: Path, repository: Path) -> None:
    path = tmp_path / "contract.binpb"
    if content is not None:
        path.write_bytes(content)
    code, _, told = run("diff", path, repository / "proto")
    assert code == 1
    assert f"gladhand: {path}: {says}" in told


def test_a_folder_that_buf_cannot_build_is_told_with_what_buf_says(tmp_path: Path) -> None:
    (tmp_path / "broken.proto").write_text('syntax = "proto3";\nmessage Broken {\n  Unknown field = 1;\n}\n')
    code, _, told = run("diff", tmp_path, tmp_path)
    assert code == 1
    assert f"{tmp_path}: buf cannot build it; give the folder where imports start:" in told
    assert "broken.proto:3:3" in told


def test_of_many_complaints_of_buf_the_first_are_told(tmp_path: Path) -> None:
    fields = "".join(f"  Unknown field_{number} = {number};\n" for number in range(1, 40))
    (tmp_path / "broken.proto").write_text(f'syntax = "proto3";\nmessage Broken {{\n{fields}}}\n')
    with pytest.raises(image.ImageError, match="and 29 more lines like these") as told:
        image.load(tmp_path)
    assert len(str(told.value).splitlines()) == 12


def test_versions_are_ordered_by_number(tmp_path: Path) -> None:
    for name in ("v1.10.0", "v1.2.0", "v1.9.1", "vnext"):
        (tmp_path / f"{name}.binpb").touch()
    assert [path.stem for path in released.images(tmp_path)] == ["v1.2.0", "v1.9.1", "v1.10.0"]

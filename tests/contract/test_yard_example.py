"""Another team checks its own contract with the plugin, as examples/yard tells it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gladhand.cli.main import app
from tests.contract.plugin.workspace import EXAMPLE, FILE, edited, position, run

EDGE = """    edges: {
      event: "left"
      to: ["TRAILER_STATE_GONE"]
    }
  }];
  // On a spot."""


@pytest.fixture
def yard(tmp_path: Path) -> Path:
    """A copy of the example with the annotations beside it."""
    folder = tmp_path / "yard"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("third_party"))
    done = CliRunner().invoke(app, ["contracts", "sources", str(folder / "third_party" / "proto")])
    assert done.exit_code == 0
    return folder


def edit(yard: Path, edits: dict[str, str]) -> str:
    source = edited(edits, (yard / FILE).read_text(encoding="utf-8"))
    (yard / FILE).write_text(source, encoding="utf-8")
    return source


def test_it_passes_as_it_stands(yard: Path) -> None:
    image = yard / "released.binpb"
    for arguments in (
        ["lint"],
        ["format", "proto", "--diff", "--exit-code"],
        ["build", "proto", "-o", image],
        ["breaking", "proto", "--against", image],
    ):
        done = run(*arguments, cwd=yard)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_two_lines_of_its_buf_yaml_make_lint_hold_the_annotations(yard: Path) -> None:
    edit(yard, {"      stage: LIFE_STAGE_STABLE\n": ""})
    assert "names no stage" in run("lint", cwd=yard).stdout
    configuration = yard / "buf.yaml"
    text = configuration.read_text(encoding="utf-8")
    configuration.write_text(text[: text.index("plugins:")], encoding="utf-8")
    assert run("lint", cwd=yard).stdout == ""


def test_a_broken_copy_fails_at_the_line_that_the_readme_tells(yard: Path) -> None:
    image = yard / "released.binpb"
    assert run("build", "proto", "-o", image, cwd=yard).returncode == 0
    source = edit(yard, {EDGE: "  }];\n  // On a spot."})
    done = run("breaking", "proto", "--against", image, cwd=yard)
    line, column = position(source, "(logistics.contract.v1.state) = {\n    born_by")
    told = f"{FILE}:{line}:{column}:TRAILER_STATE_GATE no longer goes to TRAILER_STATE_GONE by left"
    assert done.returncode != 0
    assert done.stdout.startswith(told)
    assert told in (yard / "README.md").read_text(encoding="utf-8")


def test_the_wheel_of_the_contracts_carries_the_annotations(repository: Path, tmp_path: Path) -> None:
    package = tmp_path / "package"
    shutil.copytree(repository / "gen" / "python", package, ignore=shutil.ignore_patterns("*.egg-info", "build"))
    build = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", build, tmp_path], cwd=package, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    carried = set(zipfile.ZipFile(wheel).namelist())
    names = ("event", "lifecycle", "method", "sensitivity", "service")
    wanted = {f"logistics/contract/v1/{name}.proto" for name in names} | {"buf/validate/validate.proto"}
    assert wanted <= carried

"""Small buf workspaces in temporary folders, checked by the real buf with the installed plugin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gladhand.contracts import image, sources

FILE = Path("proto/acme/yard/v1/yard.proto")
"""Where the example's source stands; a copy for one case stands in a package of its own."""

EXAMPLE = Path(__file__).parents[3] / "examples" / "yard"
YARD = (EXAMPLE / FILE).read_text(encoding="utf-8")

_CONFIGURATION = """version: v2
modules:
  - path: proto
  - path: third_party
    lint:
      ignore: [third_party]
    breaking:
      ignore: [third_party]
lint:
  use: [GLADHAND]
breaking:
  use: [GLADHAND]
plugins:
  - plugin: buf-plugin-gladhand
    options:
      today: {today}
"""


@dataclass(frozen=True)
class Told:
    """One line of buf."""

    rule: str
    path: str
    line: int
    column: int
    sentence: str


def run(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run buf, which finds the plugin beside this interpreter."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [image.buf(), *(str(argument) for argument in arguments)]
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )


def edited(edits: dict[str, str], text: str = YARD) -> str:
    """A source with some of its parts replaced; each must be there."""
    for part, instead in edits.items():
        assert part in text, f"{part!r} is not in the source"
        text = text.replace(part, instead, 1)
    return text


def position(text: str, part: str) -> tuple[int, int]:
    """Line and column, from 1, of a part of a source."""
    assert part in text, f"{part!r} is not in the source"
    before = text[: text.index(part)]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def file_of(case: str) -> Path:
    """Where the copy for one case stands."""
    return Path(str(FILE).replace("yard/v1", f"{case}/v1"))


def lay(folder: Path, copies: Mapping[str, str], today: str = "'2026-01-01'") -> Path:
    """A workspace with a copy of the yard for each case, in the package `acme.<case>.v1`, beside the annotations.

    One run of buf checks them all.
    """
    for case, source in copies.items():
        file = folder / file_of(case)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source.replace("package acme.yard.v1", f"package acme.{case}.v1"), encoding="utf-8")
    sources.write(folder / "third_party")
    (folder / "buf.yaml").write_text(_CONFIGURATION.format(today=today), encoding="utf-8")
    return folder


def lint(folder: Path) -> list[Told]:
    """What `buf lint` says."""
    return _told(run("lint", "--error-format=json", cwd=folder))


def breaking(folder: Path, against: Path) -> list[Told]:
    """What `buf breaking` says."""
    return _told(run("breaking", "proto", "--against", against / "proto", "--error-format=json", cwd=folder))


def _told(done: subprocess.CompletedProcess[str]) -> list[Told]:
    assert not done.stderr, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert bool(found) == bool(done.returncode)
    return [
        Told(
            line["type"], line.get("path", ""), line.get("start_line", 0), line.get("start_column", 0), line["message"]
        )
        for line in found
    ]

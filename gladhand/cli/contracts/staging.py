"""Where the checks of a folder of protos run: in its own buf workspace, or for a bare copy in one like this clone's."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from gladhand.cli.contracts import checks
from gladhand.cli.home import clone_root

_CONFIGURATION = "buf.yaml"


def complaints(proto: Path) -> list[str]:
    """Return what buf and its plugin complain about in a folder of protos."""
    if any((place / _CONFIGURATION).exists() for place in (proto.resolve(), *proto.resolve().parents)):
        return list(checks.complaints(proto))
    root = clone_root()
    with tempfile.TemporaryDirectory() as temporary:
        workspace = Path(temporary).resolve()
        shutil.copyfile(root / _CONFIGURATION, workspace / _CONFIGURATION)
        shutil.copytree(root / "third_party", workspace / "third_party")
        copy = workspace / "proto"
        shutil.copytree(proto, copy, ignore=shutil.ignore_patterns("released"))
        shutil.copytree(root / "proto" / "released", copy / "released")
        return [complaint.replace(f"{workspace}/", "") for complaint in checks.complaints(copy)]

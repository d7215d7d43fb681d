"""Contracts that exist only for tests, compiled when they are asked for."""

from __future__ import annotations

import importlib
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from grpc_tools import protoc

_ROOT = Path(__file__).resolve().parents[2]


@cache
def compiled(folder: Path, name: str) -> tuple[Any, Any]:
    """Return the messages and the stubs of the proto of that name in a folder."""
    out = _generated(folder).name
    sys.path.insert(0, out)
    try:
        return importlib.import_module(f"{name}_pb2"), importlib.import_module(f"{name}_pb2_grpc")
    finally:
        sys.path.remove(out)


@cache
def _generated(folder: Path) -> TemporaryDirectory[str]:
    """Where the code of a folder's protos is, all of them together, for they import each other."""
    out = TemporaryDirectory(prefix="protos-")
    roots = (folder, _ROOT / "proto", _ROOT / "third_party" / "proto", Path(protoc.__file__).parent / "_proto")
    arguments = [
        "protoc",
        *(f"-I{root}" for root in roots),
        f"--python_out={out.name}",
        f"--grpc_python_out={out.name}",
    ]
    assert protoc.main([*arguments, *sorted(path.name for path in folder.glob("*.proto"))]) == 0
    return out

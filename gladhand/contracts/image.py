"""Reads a contract: an image that buf or protoc built, or a folder of protos, built by the buf of this environment."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# Registers the options, so that descriptors are read with them as values and not as unknown bytes.
from buf.validate import validate_pb2 as _rules  # noqa: F401
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import DecodeError

from gladhand.contracts import sources
from logistics.contract.v1 import policy as _policy  # noqa: F401

__all__ = ["ImageError", "buf", "build", "load", "read"]

_CONFIGURATION = "buf.yaml"
_MOST_LINES = 10
"""Of what buf complains about; an import that is missing fills hundreds."""


class ImageError(Exception):
    """A contract cannot be read. The message names the path and says what would help."""


def load(source: Path) -> FileDescriptorSet:
    """Return the contract in `source`: an image (`.binpb`) or a folder of protos.

    A folder that belongs to a buf workspace is built as part of it. One that stands alone, for example a copy of
    `proto/`, is built beside the protos that the wheel `gladhand-contracts` carries. Raises ImageError.
    """
    if source.is_dir():
        return read(build(source), source)
    if not source.exists():
        raise ImageError(f"{source}: there is no such image or folder of protos")
    return read(source.read_bytes(), source)


def read(image: bytes, source: Path) -> FileDescriptorSet:
    """Return the contract in the bytes of an image; `source` is named in errors. Raises ImageError."""
    remedy = "give an image that `buf build -o contract.binpb` wrote, or a folder of protos"
    try:
        contract = FileDescriptorSet.FromString(image)
    except DecodeError as error:
        raise ImageError(f"{source}: this is no image of a contract; {remedy}") from error
    if not contract.file or not all(file.name for file in contract.file):
        raise ImageError(f"{source}: there is no contract in it; {remedy}")
    return contract


def build(folder: Path, *, with_positions: bool = True) -> bytes:
    """Return the image of a folder of protos, with the positions of the sources unless told otherwise.

    Raises ImageError with what buf complains about.
    """
    if not any(folder.rglob("*.proto")):
        raise ImageError(f"{folder}: there is no .proto file in it; give the folder that holds the packages")
    if _in_workspace(folder.resolve()):
        return _built(folder, folder.resolve(), with_positions=with_positions)
    with tempfile.TemporaryDirectory() as temporary:
        workspace = Path(temporary)
        _as_workspace(folder, workspace)
        return _built(folder, workspace, with_positions=with_positions)


def buf() -> str:
    """Return the path of buf: the one beside this interpreter, else the one on the PATH. Raises ImageError."""
    program = shutil.which("buf", path=str(Path(sys.executable).parent)) or shutil.which("buf")
    if program is None:
        raise ImageError("buf is not installed in this environment: pip install buf-bin")
    return program


def _in_workspace(folder: Path) -> bool:
    """Whether the folder is a buf workspace or a module of one around it; a copy that lies within one is neither."""
    root = next((place for place in (folder, *folder.parents) if (place / _CONFIGURATION).exists()), None)
    if root is None or root == folder:
        return root is not None
    command = [buf(), "config", "ls-modules"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return any((root / module).resolve() == folder for module in done.stdout.splitlines())


def _as_workspace(folder: Path, workspace: Path) -> None:
    """Lay a copy of a folder's protos beside those annotations that it imports and does not hold itself."""
    own, lent = workspace / "own", workspace / "lent"
    for proto in folder.rglob("*.proto"):
        target = own / proto.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(proto, target)
    sources.write(lent, leaving_out=own)
    modules = [name for name in (own, lent) if name.is_dir()]
    lines = ["version: v2", "modules:", *(f"  - path: {module.name}" for module in modules)]
    (workspace / _CONFIGURATION).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _built(folder: Path, source: Path, *, with_positions: bool) -> bytes:
    options = [] if with_positions else ["--exclude-source-info"]
    command = [buf(), "build", str(source), *options, "-o", "-#format=binpb"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        said = [line.removeprefix(f"{source}/").removeprefix("own/") for line in done.stderr.decode().splitlines()]
        more = [f"and {len(said) - _MOST_LINES} more lines like these"] if len(said) > _MOST_LINES else []
        raise ImageError(
            "\n".join(
                [f"{folder}: buf cannot build it; give the folder where imports start:", *said[:_MOST_LINES], *more]
            )
        )
    return done.stdout

"""A contract as it is installed: the descriptors in the generated code of a Python package."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor import FileDescriptor

__all__ = ["files", "files_with_services"]


def files(package: str = "logistics") -> Iterator[FileDescriptor]:
    """Yield every file, also those that this process has not imported yet."""
    return _generated(package, "*_pb2.py")


def files_with_services(package: str = "logistics") -> Iterator[FileDescriptor]:
    """Yield the files named as those that declare services are; importing these alone takes a service less time."""
    return _generated(package, "*_service_pb2.py")


def _generated(package: str, pattern: str) -> Iterator[FileDescriptor]:
    for folder in map(Path, importlib.import_module(package).__path__):
        for path in sorted(folder.rglob(pattern)):
            name = ".".join((package, *path.relative_to(folder).with_suffix("").parts))
            yield importlib.import_module(name).DESCRIPTOR

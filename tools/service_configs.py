"""Writes the gRPC service config of each package that has services, for clients in any language.

    python -m tools.service_configs IMAGE FOLDER

`gen/service_config/<package>.json` is what a channel takes as its default service config. `tools.generate` runs this.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import Default

from gladhand.policy import read_contracts
from gladhand.service_config import service_config


def write(image: FileDescriptorSet, out: Path) -> None:
    """Writes the service configs of `image` into `out`; the generated Python of its services must be importable."""
    out.mkdir(parents=True, exist_ok=True)
    for package in sorted({file.package for file in image.file if file.service}):
        importlib.import_module(package)
        files = [file for file in image.file if file.package == package]
        names = [f"{package}.{service.name}" for file in files for service in file.service]
        contracts = read_contracts(Default().FindServiceByName(name) for name in names)
        text = json.dumps(service_config(contracts.values(), timeouts=True), indent=2)
        (out / f"{package}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    write(FileDescriptorSet.FromString(Path(sys.argv[1]).read_bytes()), Path(sys.argv[2]))

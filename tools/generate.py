"""Generates gen/ from the contract, Python and service configs, or checks that what is committed there is fresh.

    python -m tools.generate             writes what changed, removes what nothing generates any more
    python -m tools.generate --check     writes nothing; exit 1 and a list of the files that differ

buf runs protoc and the mypy plugins by buf.gen.yaml. grpcio-tools has no plugin that buf could call, so the service
stubs come from the same image by its own protoc. Everything is generated into a fresh folder and then compared, so an
interrupted run leaves no half-written package.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from tools import reexports, validate_proto
from tools.toolchain import must

_TREES = ("python/logistics", "python/buf", "service_config")
_TARGET = Path("gen")
_SHIPPED = (("proto", "logistics/contract/v1"), ("third_party/proto", "buf/validate"))


def build_image(path: Path, source: str = ".") -> FileDescriptorSet:
    """Builds the image of a buf workspace at `path` and reads it."""
    must("buf", "build", source, "-o", path)
    return FileDescriptorSet.FromString(path.read_bytes())


def _service_stubs(image: FileDescriptorSet, image_path: Path, out: Path) -> None:
    files = [file.name for file in image.file if file.service]
    if files:
        must(
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            f"--descriptor_set_in={image_path}",
            f"--grpc_python_out={out}",
            *files,
        )


def _sources(out: Path) -> None:
    """Ship the sources that contracts of other teams import: the annotations and protovalidate's rules."""
    for root, package in _SHIPPED:
        for source in Path(root, package).glob("*.proto"):
            target = out / source.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())


def _service_configs(image_path: Path, python: Path, out: Path) -> None:
    # In a process of its own, by the Python generated just now: what is committed may be older, or broken.
    must("env", f"PYTHONPATH={python}", sys.executable, "-m", "tools.service_configs", image_path, out)


def _ship_service_configs(configs: Path, python: Path) -> None:
    """Puts each package's service config beside its messages, so that the wheel brings it."""
    for config in sorted(configs.glob("*.json")):
        package = python.joinpath(*config.stem.split("."))
        (package / "service_config.json").write_bytes(config.read_bytes())


def generate(folder: Path) -> Path:
    """Generates everything below `folder` and returns the root of what is committed as gen/."""
    image_path = folder / "image.binpb"
    image = build_image(image_path)
    must("buf", "generate", "-o", folder)
    out = folder / _TARGET / "python"
    _service_stubs(image, image_path, out)
    for typed in out.rglob("*_pb2_grpc.pyi"):  # the plugin writes one for each file, also for those without a service
        if not typed.with_suffix(".py").exists():
            typed.unlink()
    reexports.write(image, out)
    _sources(out)
    configs = folder / _TARGET / "service_config"
    _service_configs(image_path, out, configs)
    _ship_service_configs(configs, out)
    return folder / _TARGET


def _files(root: Path, trees: tuple[str, ...]) -> dict[Path, bytes]:
    return {
        path.relative_to(root): path.read_bytes()
        for tree in trees
        for path in (root / tree).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def differences(fresh: Path, committed: Path, trees: tuple[str, ...] = _TREES) -> list[Path]:
    """Files below `trees` that are missing, superfluous or different in `committed`, relative to it."""
    new, old = _files(fresh, trees), _files(committed, trees)
    return sorted(path for path in new.keys() | old.keys() if new.get(path) != old.get(path))


def take_over(fresh: Path, committed: Path, changed: list[Path]) -> None:
    """Copies the changed files over, each at once, and removes those that are generated no more."""
    for path in changed:
        source, target = fresh / path, committed / path
        if not source.exists():
            target.unlink()
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target.with_name(f".{target.name}.new")
        beside.write_bytes(source.read_bytes())
        beside.replace(target)


def settle(fresh: Path, committed: Path, trees: tuple[str, ...] = _TREES, *, check: bool) -> int:
    """Takes over what differs, or only names it where a check is all that is wanted; returns the exit code."""
    changed = differences(fresh, committed, trees)
    if check:
        for path in changed:
            print(f"stale: {committed / path}; run make gen and commit what it writes")
        return 1 if changed else 0
    take_over(fresh, committed, changed)
    print(f"{len(changed)} generated files changed in {committed}")
    return 0


def main() -> int:
    """Returns the exit code of the process."""
    parser = argparse.ArgumentParser(description="Generate gen/ from the contract.")
    parser.add_argument("--check", action="store_true", help="write nothing, fail when something would change")
    check = parser.parse_args().check
    if check and validate_proto.formatted(validate_proto.source()) != validate_proto.VENDORED.read_text(
        encoding="utf-8"
    ):
        print(f"stale: {validate_proto.VENDORED}; run make gen")
        return 1
    if not check:
        validate_proto.write(Path.cwd())
    with tempfile.TemporaryDirectory() as folder:
        return settle(generate(Path(folder)), _TARGET, check=check)


if __name__ == "__main__":
    sys.exit(main())

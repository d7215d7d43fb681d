"""`gladhand contracts diff`, `release` and `sources`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gladhand.cli.failure import Exit, Failure, told_plainly
from gladhand.cli.options import AsJson

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    from gladhand.contracts.changes import Change

Source = Annotated[Path, typer.Argument(help="An image (.binpb) or a folder of protos.")]
Protos = Annotated[
    Path,
    typer.Option("--proto", help="Folder of the protos; the images are in its folder released.", show_default=True),
]
Number = Annotated[str, typer.Argument(metavar="VERSION", help="The next version, for example v1.1.0.")]


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(
        "diff",
        epilog="Examples: gladhand contracts diff proto/released/v1.0.0.binpb proto; "
        "gladhand contracts diff old.binpb new.binpb --json | jq .changes. "
        "Exit codes: 0 nobody loses anything, 1 something is tightened or broken, or cannot be read, 2 wrong usage.",
    )(diff)
    app.command(
        "release",
        epilog="Example: gladhand contracts release v1.1.0. Then commit the image and tag the commit contracts/v1.1.0.",
    )(release)
    app.command("sources", epilog="Example: gladhand contracts sources third_party/proto")(sources)


@told_plainly
def diff(old: Source, new: Source, as_json: AsJson = False) -> None:
    """Show what changed between two contracts: added, deprecated, loosened, tightened or broken, and for whom."""
    from gladhand.cli.contracts import showing

    changes = _changes(_read(old), _read(new))
    showing.show(changes, str(old), str(new), as_json=as_json)
    if showing.breaks(changes):
        raise typer.Exit(Exit.FAILED)


@told_plainly
def release(version: Number, proto: Protos = Path("proto")) -> None:
    """Freeze the contract as proto/released/VERSION.binpb, an image that no later change may break.

    Refused where the version exists or is not higher than the last, where a check fails, and where anything that was
    released would break; then the change belongs into a new package, vN beside vN-1.
    """
    from gladhand.cli.contracts import checks
    from gladhand.contracts import image, released

    folder = proto / "released"
    target, number, before = folder / f"{version}.binpb", released.number_of(version), released.images(folder)
    if number is None:
        raise typer.BadParameter(f"{version} is no version; write it as v1.2.3", param_hint="VERSION")
    if target.exists():
        raise Failure(f"{target} is released already and never changes", "take the next version")
    if before and number < (released.number_of(before[-1].stem) or number):
        raise Failure(f"{version} comes before {before[-1].stem}, the last release", "take a higher version")
    for earlier in before:
        _refuse_breaks(earlier, _changes(_read(earlier), _read(proto)))
    complaints = list(checks.complaints(proto))
    if complaints:
        raise Failure("nothing released: the contract has to pass its checks first", "\n".join(complaints))
    folder.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.new")
    beside.write_bytes(image.build(proto, with_positions=False))
    beside.replace(target)
    print(f"released {target}; commit it, and tag the commit contracts/{version}")


@told_plainly
def sources(
    folder: Annotated[Path, typer.Argument(help="Root for imports: the second module of a buf.yaml, or protoc's -I.")],
) -> None:
    """Write the protos of the annotations into FOLDER, for a contract of your own that imports them."""
    from gladhand.contracts import sources as shipped

    try:
        written = shipped.write(folder)
    except OSError as error:
        raise Failure(f"{folder} cannot be written: {error.strerror}", "give a folder that is yours") from error
    for path in written:
        print(folder / path)


def _read(source: Path) -> FileDescriptorSet:
    from gladhand.contracts import image

    return image.load(source)


def _changes(old: FileDescriptorSet, new: FileDescriptorSet) -> tuple[Change, ...]:
    from gladhand.clock import SystemClock
    from gladhand.contracts.changes import compare

    return compare(old, new, today=SystemClock().now().date())


def _refuse_breaks(released: Path, changes: tuple[Change, ...]) -> None:
    from gladhand.cli.contracts import showing

    broken = showing.forbidden(changes)
    if broken:
        raise Failure(f"nothing released: {released.stem} would break", "\n  ".join(map(showing.remedy, broken)))

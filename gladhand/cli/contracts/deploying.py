"""`gladhand contracts live` and `check`: who lives by the contract, and whether another one may be deployed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gladhand.cli.failure import Exit, Failure, told_plainly
from gladhand.cli.home import clone_root
from gladhand.cli.options import AsJson, Where
from gladhand.cli.running import running_mesh

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    from gladhand.bus.connection import ConnectionSettings
    from gladhand.registry.store import Live, Registry

Nats = Annotated[
    str, typer.Option("--nats", metavar="URL", help="A mesh elsewhere, by its NATS server, instead of the local one.")
]
Credentials = Annotated[Path | None, typer.Option("--credentials", help="With --nats: a seed file that lets us in.")]
Authority = Annotated[Path | None, typer.Option("--ca", help="With --nats: the ca.pem to know that server by.")]
Source = Annotated[Path, typer.Argument(help="The contract to deploy: an image (.binpb) or a folder of protos.")]

_FIRST_CONNECT_S = 2.0


def add_to(app: typer.Typer) -> None:
    """Register the commands."""
    app.command(
        "live",
        epilog="Examples: gladhand contracts live; gladhand contracts live --json; gladhand contracts live "
        "--nats tls://10.0.0.5:4222 --ca ca.pem --credentials operator.nk",
    )(live)
    app.command(
        "check",
        epilog="Examples: gladhand contracts check proto; gladhand contracts check next.binpb --json | jq .broken. "
        "Exit codes: 0 nothing breaks, 1 something does or cannot be read, 2 wrong usage, 3 no mesh runs.",
    )(check)


@told_plainly
def live(
    home: Where = None, nats: Nats = "", credentials: Credentials = None, ca: Authority = None, as_json: AsJson = False
) -> None:
    """Show who runs which contract, and who reads and calls what. A process that died shows for up to a minute."""
    from gladhand.cli.contracts import living
    from gladhand.clock import SystemClock

    async def ask() -> Live:
        async with _registry(_where(home, nats, credentials, ca)) as registry:
            return await registry.live()

    living.show_live(asyncio.run(ask()), _releases(), SystemClock().now(), as_json=as_json)


@told_plainly
def check(
    source: Source,
    home: Where = None,
    nats: Nats = "",
    credentials: Credentials = None,
    ca: Authority = None,
    as_json: AsJson = False,
) -> None:
    """Tell whether a contract may be deployed beside what is live, and whom it would break, field by field.

    A folder of protos is also linted and held against every released contract, as `make check` does it.
    """
    from gladhand.cli.contracts import living, staging
    from gladhand.contracts import image
    from gladhand.registry.images import normal
    from gladhand.registry.presence import images_of
    from gladhand.registry.verdict import judge

    bus = _where(home, nats, credentials, ca)
    try:
        new = normal(image.load(source).file, with_positions=True)
    except image.ImageError as error:
        raise Failure(str(error)) from error
    if not new.file:
        raise Failure(f"{source}: no package logistics is in it", "give the folder that holds logistics/, or its image")

    async def ask() -> tuple[Live, Mapping[str, FileDescriptorSet]]:
        async with _registry(bus) as registry:
            found = await registry.live()
            return found, await images_of(registry, found)

    found, images = asyncio.run(ask())
    verdict = judge(new, found.registrations, images)
    complaints = staging.complaints(source) if source.is_dir() else []
    fine = living.show_verdict(verdict, found, complaints, str(source), _releases(), as_json=as_json)
    if not fine:
        raise typer.Exit(Exit.FAILED)


def _where(home: Path | None, nats: str, credentials: Path | None, ca: Path | None) -> ConnectionSettings:
    """How the mesh's NATS server is reached.

    Raises Failure where no mesh runs, BadParameter where `credentials` or `ca` come without `nats`.
    """
    from gladhand.bus.connection import ConnectionSettings

    if nats:
        return ConnectionSettings(
            servers=(nats,), name="gladhand-cli", credentials=credentials, ca=ca, first_connect=_FIRST_CONNECT_S
        )
    if credentials is not None or ca is not None:
        raise typer.BadParameter("these go with --nats; the local mesh has its own", param_hint="--credentials, --ca")
    return running_mesh(home).bus(first_connect=_FIRST_CONNECT_S)


@asynccontextmanager
async def _registry(bus: ConnectionSettings) -> AsyncIterator[Registry]:
    from gladhand.bus.connection import connected
    from gladhand.bus.jetstream import JetStreamBus
    from gladhand.clock import SystemClock
    from gladhand.errors import StartRefused
    from gladhand.registry.store import Registry

    try:
        async with connected(bus) as connection:
            yield await Registry.opened(JetStreamBus(connection, SystemClock()))
    except StartRefused as error:
        remedy = "is it there, and do --credentials and --ca belong to it? The local mesh: gladhand up --detach"
        raise Failure(error.message, remedy, Exit.NO_MESH) from error


def _releases() -> Mapping[str, str]:
    """The released contracts of this clone: version by digest."""
    from gladhand.contracts import image, released
    from gladhand.registry.images import digest_of, normal

    paths = released.images(clone_root() / "proto" / "released")
    return {digest_of(normal(image.load(path).file)): path.stem for path in paths}

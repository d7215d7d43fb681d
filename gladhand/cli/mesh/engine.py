"""Two small programs of the mesh: one becomes the nats-server, the other makes its streams and buckets and ends.

`python -m gladhand.cli.mesh.engine serve DIRECTORY PORT MONITORING_PORT AUTHORIZATION [TLS_DIR]`, and
`... streams URL CREDENTIALS CA [OBJECT...]`, CA empty where the server is not encrypted.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn


def become_server(
    directory: Path, port: int, monitoring_port: int, authorization: Path, tls_dir: Path | None
) -> NoReturn:
    """Replace this process by the server, so that a supervisor's signals reach it directly."""
    from gladhand.nats_server import NatsServer

    directory.mkdir(parents=True, exist_ok=True)
    server = NatsServer(
        directory, port=port, monitoring_port=monitoring_port, authorization=authorization, tls_dir=tls_dir
    )
    line = server.prepare()
    os.execv(line[0], line)


async def set_up(url: str, credentials: Path, ca: Path | None, objects: Sequence[str]) -> None:
    """Make what is missing of the standard streams, buckets and object buckets, and bring the streams up to date.

    Nobody else may: who makes a stream can have it copy another one.
    """
    from gladhand.bus.buckets import STANDARD_BUCKETS
    from gladhand.bus.connection import ConnectionSettings, connected
    from gladhand.bus.jetstream import JetStreamBus
    from gladhand.bus.streams import ensure_streams, standard_streams
    from gladhand.clock import SystemClock

    settings = ConnectionSettings(servers=(url,), name="streams", credentials=credentials, ca=ca)
    async with connected(settings) as connection:
        bus = JetStreamBus(connection, SystemClock())
        await ensure_streams(connection, standard_streams())
        for spec in STANDARD_BUCKETS:
            await bus.key_value(spec.name)
        for name in objects:
            await bus.objects(name)


def main(arguments: list[str]) -> int:
    """Run one of the two; 2 where neither was asked for."""
    match arguments:
        case ["serve", directory, port, monitoring_port, authorization, *tls]:
            become_server(
                Path(directory), int(port), int(monitoring_port), Path(authorization), Path(tls[0]) if tls else None
            )
        case ["streams", url, credentials, ca, *objects]:
            asyncio.run(set_up(url, Path(credentials), Path(ca) if ca else None, objects))
            return 0
        case _:
            print(__doc__, file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

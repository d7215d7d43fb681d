"""Two small programs of the mesh: one becomes the nats-server, the other makes its streams and ends.

`python -m gladhand.cli.mesh.engine serve DIRECTORY PORT MONITORING_PORT`, and `... streams URL`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import NoReturn


def become_server(directory: Path, port: int, monitoring_port: int) -> NoReturn:
    """Replace this process by the server, so that a supervisor's signals reach it directly."""
    from gladhand.nats_server import NatsServer

    directory.mkdir(parents=True, exist_ok=True)
    line = NatsServer(directory, port=port, monitoring_port=monitoring_port).prepare()
    os.execv(line[0], line)


async def make_streams(url: str) -> None:
    """Make what is missing of the standard streams and bring their settings up to date."""
    from gladhand.bus.connection import ConnectionSettings, connected
    from gladhand.bus.streams import ensure_streams, standard_streams

    async with connected(ConnectionSettings(servers=(url,), name="streams")) as connection:
        await ensure_streams(connection, standard_streams())


def main(arguments: list[str]) -> int:
    """Run one of the two; 2 where neither was asked for."""
    match arguments:
        case ["serve", directory, port, monitoring_port]:
            become_server(Path(directory), int(port), int(monitoring_port))
        case ["streams", url]:
            asyncio.run(make_streams(url))
            return 0
        case _:
            print(__doc__, file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The orchestrator of the command measurement: `python -m bench.serve_orchestrator`, printing its port.

It records each order on a real nats-server that syncs before it acknowledges, in a directory of its own. Its processes
do not run: what is measured is the command, not what follows from it.
"""

from __future__ import annotations

import asyncio
import signal
import tempfile
from pathlib import Path

import uvloop

from gladhand.nats_server import NatsServer
from gladhand.readiness import read_ready
from gladhand.server import ServiceProcess
from gladhand.settings import LogLevel
from services.orchestrator.main import assemble
from services.orchestrator.settings import OrchestratorSettings


async def build(process: ServiceProcess[OrchestratorSettings]) -> None:
    """Serve commands and let no process run."""
    await assemble(process)


async def serve(nats: NatsServer, folder: Path) -> None:
    """Serve until terminated."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    settings = OrchestratorSettings(
        port=0,
        ready_file=folder / "ready.json",
        nats_url=nats.url,
        monitoring_url=nats.monitoring_url,
        data_dir=folder,
        reflection=False,
        log_level=LogLevel.WARNING,
    )
    async with ServiceProcess("bench", settings).serving(build):
        found = read_ready(folder / "ready.json")
        assert found is not None
        print(found.ports["grpc_token"], flush=True)
        await stopped.wait()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, NatsServer(Path(folder) / "nats") as nats:
        uvloop.run(serve(nats, Path(folder)))

"""A replica of the trial service whose commands leave a lasting effect, as a process of its own."""

from __future__ import annotations

import asyncio
import os
from typing import Any
from uuid import uuid4

from gladhand.bus.buckets import BucketSpec, open_bucket
from gladhand.bus.connection import ConnectionSettings, connected
from gladhand.bus.port import AlreadyTaken
from gladhand.bus.request import Patience
from gladhand.idempotency import BucketIdempotency
from gladhand.server import ServiceProcess
from gladhand.settings import Settings
from tests.adapters.serving.trial import Trial, compiled

PATIENCE = Patience(deadline=5.0)
LEDGER = BucketSpec("LEDGER", "What each command did, by its name.")
KEPT = BucketSpec("IDEMPOTENCY", "First answers by request id.")


async def build(process: ServiceProcess[Settings]) -> None:
    """Put the replica together."""
    pb2, stubs = compiled()
    connection = await process.enter(connected(ConnectionSettings(servers=process.settings.nats_servers, name="trial")))
    ledger = await open_bucket(connection, LEDGER, PATIENCE)
    who = str(os.getpid())

    async def read(_request: Any) -> Any:
        await asyncio.sleep(0.005)  # the work, so that calls are in flight when the process is hit
        return pb2.ReadResponse(text=who)

    async def write(request: Any) -> Any:
        """Enter the command's name with a number of its own: whoever comes second finds the first one's."""
        await asyncio.sleep(0.005)
        number = uuid4().int >> 66
        try:
            await ledger.create(request.name, str(number).encode())
        except AlreadyTaken:
            entry = await ledger.get(request.name)
            assert entry is not None
            number = int(entry.value)
        return pb2.WriteResponse(count=number)

    process.use_idempotency(BucketIdempotency(await open_bucket(connection, KEPT, PATIENCE)))
    process.add_servicer(
        stubs.add_TrialServiceServicer_to_server,
        Trial(on_read=read, on_write=write),
        own_idempotency={"Append", "Gather"},
    )


if __name__ == "__main__":
    raise SystemExit(ServiceProcess.main("trial", Settings, build))

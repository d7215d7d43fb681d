"""The example of a consumer that the registry knows."""

from __future__ import annotations

import asyncio
import signal
import sys
from functools import partial
from pathlib import Path

from nats.aio.client import Client

from examples.order_report import REPORT, line
from gladhand.registry import Registry
from gladhand.testing import Reading, eventually
from logistics.order.v1 import Order, OrderEvent, OrderReceived
from logistics.type.v1 import Party

EVENT = OrderEvent(order_id="O1", received=OrderReceived(order=Order(customer=Party(name="Ada's shop"))))


def test_it_declares_what_it_reads() -> None:
    reading = Reading(OrderEvent)
    assert line(reading.of(EVENT)) == line(EVENT)
    reading.check(REPORT.reads[OrderEvent])


async def test_it_reports_orders_and_is_shown_while_it_does(
    mesh_streams: Client, registry: Registry, nats_url: str, repository: Path
) -> None:
    await mesh_streams.jetstream().publish("logistics.order.us.O1.received", EVENT.SerializeToString())
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "examples.order_report", nats_url, cwd=repository, stdout=asyncio.subprocess.PIPE,
        # Who runs the tests in the background may have left SIGINT ignored, which programs inherit.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        assert process.stdout is not None
        told = await asyncio.wait_for(process.stdout.readline(), 30)
        assert b"O1 Ada's shop" in told
        assert [each.name for each in (await registry.live()).registrations] == ["order-report"]
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.wait(), 30)

        async def gone() -> bool:
            return (await registry.live()).registrations == ()

        await eventually(gone)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

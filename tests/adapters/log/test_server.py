"""Setting up: the embedded server, the connection, the streams, and the refusal of a server that does not sync."""

from __future__ import annotations

import json
import logging
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from nats.aio.client import Client

from gladhand.bus.connection import ConnectionSettings, connect, connected
from gladhand.bus.jetstream import JetStreamBus
from gladhand.bus.port import StreamMissing
from gladhand.bus.streams import StreamLimits, StreamSpec, ensure_streams, standard_streams
from gladhand.clock import SystemClock
from gladhand.errors import StartRefused
from gladhand.log.durability import require_durable
from gladhand.log.port import NotDurable
from gladhand.nats_server import NatsServer, store_limit
from tests.adapters.log.mesh import QUICK


async def test_a_server_keeps_its_data_and_its_ports_over_a_crash(tmp_path: Path) -> None:
    server = NatsServer(tmp_path).start()
    try:
        url, monitoring = server.url, server.monitoring_url
        async with connected(ConnectionSettings(servers=(url,))) as connection:
            await ensure_streams(connection, standard_streams(StreamLimits(total_bytes=1 << 20)))
            bus = JetStreamBus(connection, SystemClock())
            await bus.publish("logistics.inbox.gps.1", b"raw", message_id="m1")
        server.kill()
        assert server.pid is None
        server.start()
        assert (server.url, server.monitoring_url) == (url, monitoring)
        async with connected(ConnectionSettings(servers=(url,))) as connection:
            again = await JetStreamBus(connection, SystemClock()).publish(
                "logistics.inbox.gps.1", b"raw", message_id="m1"
            )
            assert (again.sequence, again.duplicate) == (1, True)
    finally:
        server.stop()
    server.stop()


def test_a_server_is_durable_bounded_and_on_loopback(nats_server: NatsServer) -> None:
    with urllib.request.urlopen(f"{nats_server.monitoring_url}/varz", timeout=5) as answer:
        state = json.load(answer)
    assert state["host"] == "127.0.0.1"
    assert state["jetstream"]["config"]["sync_always"] is True
    limit = state["jetstream"]["config"]["max_storage"]
    assert 0 < limit <= store_limit(nats_server.directory) + (64 << 20)


def test_a_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match="Parse error"):
        NatsServer(tmp_path, extra="nonsense: [").start()


async def test_the_streams_are_set_up_once_and_again(nats_connection: Client) -> None:
    specs = standard_streams(StreamLimits(total_bytes=64 << 20))
    for _ in range(2):
        await ensure_streams(nats_connection, specs)
    stream = nats_connection.jetstream()
    found = {info.config.name: info.config for info in await stream.streams_info()}
    assert set(found) == {spec.name for spec in specs}
    for name in (
        "ORDERS",
        "LOADS",
        "INVOICES",
        "EXCEPTIONS",
        "EXCURSIONS",
        "PAYABLES",
        "PROCESSES",
        "OBSERVATIONS",
        "INBOX",
    ):
        assert (found[name].discard, found[name].retention, found[name].storage) == ("new", "limits", "file")
        assert found[name].allow_direct
    assert (found["TELEMETRY"].discard, found["TELEMETRY"].max_age) == ("old", 48 * 3600)
    assert found["TIMERS"].allow_msg_schedules
    latch = found["EFFECTS"]
    assert (latch.max_msgs_per_subject, latch.discard_new_per_subject) == (1, True)
    assert (latch.deny_delete, latch.deny_purge) == (True, True)


async def test_limits_may_grow_in_place(nats_connection: Client) -> None:
    small = standard_streams(StreamLimits(total_bytes=32 << 20))
    large = standard_streams(StreamLimits(total_bytes=64 << 20))
    await ensure_streams(nats_connection, small)
    await ensure_streams(nats_connection, large)
    info = await nats_connection.jetstream().stream_info("ORDERS")
    assert info.config.max_bytes == large[0].max_bytes > small[0].max_bytes


async def test_a_stream_that_stands_with_other_properties_is_refused_by_name(nats_connection: Client) -> None:
    spec = StreamSpec("ORDERS", ("logistics.order.>",), "Events.", retention="workqueue")
    await ensure_streams(nats_connection, (spec,))
    with pytest.raises(StreamMissing, match=r"ORDERS.*retention: workqueue -> limits"):
        await ensure_streams(nats_connection, standard_streams(StreamLimits(total_bytes=1 << 20)))


async def test_streams_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with NatsServer(tmp_path, max_store_bytes=10 << 20) as server:
        async with connected(ConnectionSettings(servers=(server.url,))) as connection:
            with pytest.raises(StreamMissing, match="storage"):
                await ensure_streams(connection, standard_streams(StreamLimits(total_bytes=1 << 30)), QUICK)


async def test_a_synced_server_passes_the_durability_check(nats_server: NatsServer, nats_connection: Client) -> None:
    await require_durable(nats_connection, nats_server.monitoring_url)


async def test_a_server_that_does_not_sync_is_refused_unless_allowed_aloud(
    tmp_path: Path, nats_server: NatsServer, nats_connection: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with NatsServer(tmp_path, synced=False) as server:
        async with connected(ConnectionSettings(servers=(server.url,))) as connection:
            with pytest.raises(NotDurable, match=r"sync_interval: always"):
                await require_durable(connection, server.monitoring_url)
            with caplog.at_level(logging.WARNING):
                await require_durable(connection, server.monitoring_url, allow_unsynced=True)
            assert "may be lost" in caplog.text
            with pytest.raises(NotDurable, match="another server"):
                await require_durable(connection, nats_server.monitoring_url)
        for url, problem in ((None, "No monitoring URL"), ("http://127.0.0.1:1", "does not answer")):
            with pytest.raises(NotDurable, match=problem):
                await require_durable(nats_connection, url)


async def test_no_server_and_no_credentials_are_told_apart_without_showing_a_password(
    nats_settings: ConnectionSettings,
) -> None:
    nobody = ConnectionSettings(servers=("nats://me:secret@127.0.0.1:1",), first_connect=0.3)
    with pytest.raises(StartRefused, match=r"nats://127\.0\.0\.1:1 .*Connect call failed") as caught:
        await connect(nobody)
    assert "secret" not in str(caught.value)
    with pytest.raises(StartRefused, match=r"(?i)authorization"):
        await connect(replace(nats_settings, password="wrong", first_connect=1.0))

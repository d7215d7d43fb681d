"""Whoever holds credentials can do what the contract declares for it and nothing else, by whichever way NATS has."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import aclosing

import pytest
from nats.aio.msg import Msg

from gladhand.bus.deadletters import DeadLetters
from gladhand.bus.jetstream import JetStreamBus
from gladhand.bus.port import Delivery, Poison, Subscription
from gladhand.bus.refusals import MeshClient, NotPermitted
from gladhand.bus.request import Refused, ask
from gladhand.clock import SystemClock
from gladhand.ids import new_id
from gladhand.log.jetstream import JetStreamEventStore
from gladhand.testing import eventually
from tests.adapters.bus.guarded import AT_ONCE_S, SLOW, Join

FORGED = "logistics.invoice.us.forged.posted"
INVOICE = "logistics.invoice.us.i1.posted"


def bus_of(connection: MeshClient) -> JetStreamBus:
    return JetStreamBus(connection, SystemClock(), patience=SLOW)


async def publish(connection: MeshClient, subject: str, payload: bytes = b"x") -> int:
    async with asyncio.timeout(AT_ONCE_S):
        return (await bus_of(connection).publish(subject, payload, message_id=new_id())).sequence


async def invoices(connection: MeshClient) -> list[bytes]:
    store = JetStreamEventStore(connection, source="test")
    return [message.payload async for message in store.read_all("INVOICES")]


async def test_the_edge_gateway_cannot_publish_an_invoice_event_and_hears_so_at_once(joined_as: Join) -> None:
    edge, operator = await joined_as("edge_gateway"), await joined_as("operator")
    before = await invoices(operator)
    with pytest.raises(NotPermitted, match=r"edge_gateway may not send to logistics\.invoice\.us\.forged\.posted"):
        await publish(edge, FORGED)
    assert await publish(edge, "logistics.telemetry.us.v1.position") > 0
    assert await invoices(operator) == before


@pytest.mark.parametrize(
    ("request_subject", "body"),
    [
        ("logistics.telemetry.us.v1.position", b"an event that answers"),
        ("$JS.API.STREAM.INFO.TELEMETRY", b""),
        ("$JS.API.DIRECT.GET.TELEMETRY.logistics.telemetry.us.v1.position", b""),
        ("$JS.API.DIRECT.GET.KV_INBOX_KEYS", b'{"batch":9,"seq":1,"next_by_subj":">"}'),
        ("$JS.API.CONSUMER.MSG.NEXT.TELEMETRY.forger", b'{"batch":9,"expires":500000000}'),
    ],
)
async def test_no_answer_of_the_server_can_be_sent_to_a_streams_subject(
    joined_as: Join, request_subject: str, body: bytes
) -> None:
    edge, operator = await joined_as("edge_gateway"), await joined_as("operator")
    await publish(edge, "logistics.telemetry.us.v1.position", b"forged")
    await edge_consumer(edge, "forger")
    before = await invoices(operator)
    await edge.publish(request_subject, body, reply=FORGED)
    # What is asked after it is answered after it.
    await ask(edge, "$JS.API.STREAM.INFO.TELEMETRY", b"", None, 5.0)
    await publish(edge, "logistics.telemetry.us.v1.position", b"mark")
    assert await invoices(operator) == before


async def test_within_one_account_an_answer_can_be_sent_to_a_streams_subject(joined_as: Join) -> None:
    # Why everybody has an account of his own: NATS checks no permission for the subject of an answer.
    setup, operator = await joined_as("mesh_setup"), await joined_as("operator")
    await setup.publish("$JS.API.STREAM.INFO.TELEMETRY", b"", reply=FORGED)

    async def forged() -> bool:
        return any(b"stream_info_response" in payload for payload in await invoices(operator))

    await eventually(forged)


async def edge_consumer(edge: MeshClient, name: str, **more: object) -> None:
    positions = "logistics.telemetry.*.*.position"
    config = {"name": name, "ack_policy": "none", "filter_subject": positions, **more}
    request = {"stream_name": "TELEMETRY", "config": config}
    await ask(edge, f"$JS.API.CONSUMER.CREATE.TELEMETRY.{name}.{positions}", json.dumps(request).encode(), None, 5.0)


async def test_no_consumer_can_push_into_a_stream(joined_as: Join) -> None:
    edge, operator = await joined_as("edge_gateway"), await joined_as("operator")
    before = await invoices(operator)
    await edge_consumer(edge, "pusher", deliver_subject=FORGED)
    await publish(edge, "logistics.telemetry.us.v1.position", b"forged")
    info = await ask(edge, "$JS.API.CONSUMER.INFO.TELEMETRY.pusher", b"", None, 5.0)
    assert info["delivered"]["consumer_seq"] == 0
    assert await invoices(operator) == before


READS_OF_FINANCE = [
    ("$JS.API.STREAM.INFO.INVOICES", {}),
    ("$JS.API.STREAM.MSG.GET.INVOICES", {"seq": 1}),
    ("$JS.API.DIRECT.GET.INVOICES", {"seq": 1}),
    (f"$JS.API.DIRECT.GET.INVOICES.{INVOICE}", {}),
    ("$JS.API.CONSUMER.CREATE.INVOICES", {"stream_name": "INVOICES", "config": {}}),
    ("$JS.API.CONSUMER.CREATE.INVOICES.spy", {"stream_name": "INVOICES", "config": {"name": "spy"}}),
    (
        "$JS.API.CONSUMER.CREATE.INVOICES.spy.logistics.invoice.>",
        {"stream_name": "INVOICES", "config": {"name": "spy", "filter_subject": "logistics.invoice.>"}},
    ),
    (
        "$JS.API.CONSUMER.DURABLE.CREATE.INVOICES.spy",
        {"stream_name": "INVOICES", "config": {"durable_name": "spy"}},
    ),
    ("$JS.API.CONSUMER.MSG.NEXT.INVOICES.finance-team", {"batch": 1}),
    ("$JS.API.CONSUMER.NAMES.INVOICES", {}),
    ("$JS.API.STREAM.CREATE.SPY", {"name": "SPY", "sources": [{"name": "INVOICES"}]}),
    ("$JS.API.STREAM.CREATE.KV_SPY", {"name": "KV_SPY", "mirror": {"name": "INVOICES"}}),
    ("$JS.API.STREAM.UPDATE.TELEMETRY", {"name": "TELEMETRY", "sources": [{"name": "INVOICES"}]}),
    ("$JS.API.STREAM.SNAPSHOT.INVOICES", {"deliver_subject": "_INBOX_telemetry-team.x"}),
    ("$JS.API.STREAM.NAMES", {}),
    ("mesh.api.STREAM.MSG.GET.INVOICES", {"seq": 1}),
]


@pytest.mark.parametrize(("subject", "request_body"), READS_OF_FINANCE, ids=[each[0] for each in READS_OF_FINANCE])
async def test_a_reader_of_telemetry_cannot_read_finance(
    joined_as: Join, subject: str, request_body: dict[str, object]
) -> None:
    reader = await joined_as("telemetry-team")
    with pytest.raises(NotPermitted, match="telemetry-team may not send to"):
        async with asyncio.timeout(AT_ONCE_S):
            await ask(reader, subject, json.dumps(request_body).encode(), None, 30.0)


@pytest.mark.parametrize("subject", ["logistics.invoice.>", ">", "_INBOX.>", "_INBOX_finance-team.>", "$JS.EVENT.>"])
async def test_a_reader_of_telemetry_cannot_listen_to_finance_or_to_anothers_answers(
    joined_as: Join, subject: str, caplog: pytest.LogCaptureFixture
) -> None:
    reader, finance = await joined_as("telemetry-team"), await joined_as("finance-team")
    heard: list[str] = []

    async def hear(message: Msg) -> None:
        heard.append(message.subject)

    with caplog.at_level(logging.ERROR):
        await reader.subscribe(subject, cb=hear)
        await reader.flush()
    await publish(await joined_as("orchestrator"), INVOICE, b"secret")
    assert b"secret" in await invoices(finance)
    await reader.flush()
    assert heard == []
    assert f"telemetry-team may not listen to {subject}".lower() in caplog.text.lower()


@pytest.mark.parametrize(
    "config",
    [
        {"filter_subject": "logistics.pod.>"},
        {"filter_subjects": ["logistics.pod.>"]},
        {"filter_subjects": ["logistics.load.>", "logistics.pod.>"]},
        {},
    ],
)
async def test_a_filter_in_the_request_holds_whatever_its_body_says(joined_as: Join, config: dict[str, object]) -> None:
    reader = await joined_as("road-team")
    request = json.dumps({"stream_name": "LOADS", "config": {"name": "spy", **config}}).encode()
    with pytest.raises(Refused, match="filter"):
        await ask(reader, "$JS.API.CONSUMER.CREATE.LOADS.spy.logistics.load.>", request, None, 5.0)


@pytest.mark.parametrize("verb", ["MSG.NEXT", "INFO", "DELETE", "CREATE"])
async def test_nobody_takes_the_messages_of_anothers_consumer(joined_as: Join, verb: str) -> None:
    reader = await joined_as("road-team")
    with pytest.raises(NotPermitted, match="road-team may not send to"):
        await ask(reader, f"$JS.API.CONSUMER.{verb}.ORDERS.orchestrator-planning", b"{}", None, 30.0)


async def test_a_reader_reads_what_it_was_given_and_follows_it(joined_as: Join) -> None:
    edge, reader = await joined_as("edge_gateway"), await joined_as("telemetry-team")
    mark = new_id().encode()
    await publish(edge, "logistics.telemetry.us.v7.reading", mark)
    store = JetStreamEventStore(reader, source="test")
    found = [each.payload async for each in store.read_all("TELEMETRY", filters=("logistics.telemetry.us.v7.*",))]
    assert mark in found
    later = new_id().encode()
    async with aclosing(store.read_all("TELEMETRY", start=1, follow=True)) as messages:
        await publish(edge, "logistics.telemetry.us.v7.reading", later)
        async with asyncio.timeout(AT_ONCE_S):
            async for message in messages:
                if message.payload == later:
                    break
    with pytest.raises(NotPermitted):
        await publish(reader, "logistics.telemetry.us.v7.reading")


async def test_a_readers_own_consumer_handles_and_parks_and_takes_back(joined_as: Join) -> None:
    finance, orchestrator = await joined_as("finance-team"), await joined_as("orchestrator")
    seen: list[tuple[bytes, int]] = []

    async def handle(delivery: Delivery) -> None:
        seen.append((delivery.payload, delivery.redrives))
        if delivery.payload == mark and not delivery.redrives:
            raise Poison("not the first time")

    mark = new_id().encode()
    subscription = Subscription(
        stream="INVOICES", durable="finance-team", handler=handle, filters=("logistics.invoice.>",)
    )
    consumer = await bus_of(finance).subscribe(subscription)
    try:
        await publish(orchestrator, INVOICE, mark)
        await eventually(lambda: (mark, 0) in seen)
        operator = await joined_as("operator")
        await replay_all(operator, "finance-team")
        await eventually(lambda: (mark, 1) in seen)
    finally:
        await consumer.stop()


async def replay_all(operator: MeshClient, consumer: str) -> None:
    letters = DeadLetters(bus_of(operator), JetStreamEventStore(operator, source="test"))
    for each in await eventually(lambda: letters.list(consumer)):
        await letters.replay(each.letter_id)


async def test_only_the_operator_moves_the_clock(joined_as: Join) -> None:
    for identity in ("orchestrator", "edge_gateway", "fleet_gateway", "finance-team"):
        clock = await bus_of(await joined_as(identity)).key_value("CLOCK")
        with pytest.raises(NotPermitted, match=r"may not send to \$KV\.CLOCK"):
            await clock.put("offset_ms", b"1")
    clock = await bus_of(await joined_as("operator")).key_value("CLOCK")
    assert await clock.put("offset_ms", b"0") > 0


async def test_a_gateway_keeps_first_answers_of_its_own_methods_alone(joined_as: Join) -> None:
    kept = await bus_of(await joined_as("erp_gateway")).key_value("IDEMPOTENCY")
    assert await kept.put(f"logistics.erp.v1.ErpGatewayService.PostInvoice.{new_id()}", b"1") > 0
    with pytest.raises(NotPermitted):
        await kept.put("logistics.orchestrator.v1.OrchestratorService.SubmitOrder.1", b"1")


async def test_files_go_in_and_out(joined_as: Join) -> None:
    documents = await bus_of(await joined_as("edge_gateway")).objects("DOCUMENTS")
    for content in (b"first" * 50_000, b"second"):
        await documents.put("pod/1", content)
        assert await documents.get("pod/1") == content
    await documents.delete("pod/1")
    assert await documents.get("pod/1") is None

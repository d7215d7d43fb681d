"""Every message with a sensitive field goes through everything that shows messages; what is marked shows nowhere."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gladhand.bus import dispatch
from gladhand.bus.deadletters import DeadLetter
from gladhand.bus.dispatch import Dispatcher
from gladhand.bus.port import Delivery, Subscription
from gladhand.cli import contents, letters
from gladhand.clock import SystemClock
from gladhand.errors import InvalidArgument
from gladhand.logging import ConsoleFormatter, JsonFormatter
from gladhand.masking import is_sensitive, masked
from gladhand.problems import to_problem
from gladhand.statuses import to_status
from gladhand.validation import check, refusal, violations
from tests.contract import catalog

MARKER = "swordfish"
VALUES = (MARKER, f"{MARKER} \n<&>" + MARKER * 500)
"""One that keeps most rules and one that breaks them."""


def reaches(kind: Descriptor, seen: frozenset[str] = frozenset()) -> bool:
    if kind.full_name in seen:
        return False
    inner = seen | {kind.full_name}
    return any(
        is_sensitive(field) or (field.message_type is not None and reaches(field.message_type, inner))
        for field in kind.fields
    )


SENSITIVE = sorted((kind for kind in catalog.messages() if reaches(kind)), key=lambda kind: kind.full_name)
each_message = pytest.mark.parametrize("kind", SENSITIVE, ids=lambda kind: str(kind.full_name))
each_value = pytest.mark.parametrize("value", VALUES, ids=["short", "long"])


def filled(kind: Descriptor, value: str) -> Message:
    message: Message = GetMessageClass(kind)()
    fill(message, value, frozenset())
    return message


def fill(message: Any, value: str, above: frozenset[str]) -> int:
    """Put the value into every sensitive text below; return how many there were."""
    inside, count = above | {message.DESCRIPTOR.full_name}, 0
    for field in message.DESCRIPTOR.fields:
        if is_sensitive(field) and field.type == FieldDescriptor.TYPE_STRING:
            count += 1
            if field.is_repeated:
                getattr(message, field.name).append(value)
            else:
                setattr(message, field.name, value)
        elif field.message_type is not None and field.message_type.full_name not in inside:
            if field.containing_oneof is not None and message.WhichOneof(field.containing_oneof.name):
                continue
            if reaches(field.message_type, inside) and not field.message_type.GetOptions().map_entry:
                held = getattr(message, field.name)
                child = held.add() if field.is_repeated else held
                count += fill(child, value, inside)
                if not field.is_repeated:
                    child.SetInParent()
    return count


def hidden(text: str) -> bool:
    """Whether the marker stands nowhere, in plain or inside base64."""
    coded = (base64.b64encode(b"." * shift + MARKER.encode()).decode()[4:-4] for shift in range(3))
    return MARKER not in text and not any(each in text for each in coded)


def test_there_is_something_to_hide() -> None:
    names = {kind.full_name for kind in SENSITIVE}
    assert {"logistics.order.v1.OrderEvent", "logistics.pod.v1.ProofOfDelivery", "logistics.fleet.v1.Driver"} <= names
    for kind in SENSITIVE:
        assert not hidden(filled(kind, MARKER).SerializeToString().decode("latin-1")), kind.full_name


def test_the_search_sees_the_marker_in_base64_too() -> None:
    for before in range(6):
        assert not hidden(base64.b64encode(b"x" * before + MARKER.encode() + b"tail").decode())


@each_message
@each_value
def test_no_log_line_shows_it(kind: Descriptor, value: str) -> None:
    message = filled(kind, value)
    for formatter in (JsonFormatter("test"), ConsoleFormatter("test")):
        lines = io.StringIO()
        handler = logging.StreamHandler(lines)
        handler.setFormatter(formatter)
        log = logging.Logger("test")  # noqa: LOG001 - a logger of its own, which nothing else listens to
        log.addHandler(handler)
        log.warning("as an argument: %s", message)
        log.warning("by name: %(it)s", {"it": message})
        log.warning(message)
        log.warning("facts", extra={"facts": {"it": message, "many": [message], "deep": {"it": (message,)}}})
        try:
            check(message)
            raise InvalidArgument("refused for another reason")
        except InvalidArgument:
            log.exception("refused")
        assert hidden(lines.getvalue())
        assert lines.getvalue().count("as an argument") == 1


@each_message
@each_value
def test_no_refusal_shows_it(kind: Descriptor, value: str) -> None:
    found = violations(filled(kind, value))
    if not found:
        return
    error = refusal(found)
    status = to_status(error)
    assert hidden(status.SerializeToString().decode("latin-1"))
    assert hidden(str(status) + str(error) + repr(error) + json.dumps(error.metadata))
    assert hidden(json.dumps(to_problem(error), default=str))


def test_many_of_them_are_refused() -> None:
    assert sum(1 for kind in SENSITIVE if violations(filled(kind, VALUES[1]))) > len(SENSITIVE) // 2


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(dispatch, "_tracer", provider.get_tracer("test"))
    return exporter


class _Settled:
    async def ack(self) -> None: ...
    async def nak(self, delay_s: float) -> None: ...
    async def extend(self) -> None: ...
    async def term(self, reason: str) -> None:
        assert hidden(reason)


async def parked(message: Message, subject: str) -> DeadLetter:
    """The dead letter of a message that its handler finds wrong, as the real dispatcher writes it."""
    found: list[DeadLetter] = []

    async def handle(delivery: Delivery) -> None:
        check(type(message).FromString(delivery.payload))
        raise InvalidArgument("refused for another reason")

    async def park(letter: DeadLetter) -> None:
        found.append(letter)

    settled = asyncio.Event()

    async def done() -> None:
        settled.set()

    subscription = Subscription(stream="ORDERS", durable="test", handler=handle, max_deliver=1)
    dispatcher = Dispatcher(subscription, SystemClock(), park=park, settled=done)
    now = datetime.now(UTC)
    dispatcher.accept(Delivery(subject, message.SerializeToString(), {}, "ORDERS", 1, now), _Settled())
    await settled.wait()
    await dispatcher.stop(subscription.ack_wait)
    return found[0]


@each_message
@each_value
async def test_no_span_and_no_reason_of_a_dead_letter_shows_it(
    kind: Descriptor, value: str, spans: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    letter = await parked(filled(kind, value), "logistics.order.us.o1.received")
    stored = json.loads(letter.encode())
    # The message itself is kept as it was, since it is to be replayed.
    assert base64.b64decode(stored.pop("payload")) == letter.payload
    assert hidden(json.dumps(stored))
    finished = spans.get_finished_spans()
    assert len(finished) == 1
    assert any(event.name == "exception" for event in finished[0].events)
    assert hidden("".join(span.to_json() for span in finished))
    assert hidden(caplog.text)


SUBJECTS = {
    "logistics.order.us.o1.received": "logistics.order.v1.OrderEvent",
    "logistics.load.us.l1.planned": "logistics.load.v1.LoadEvent",
    "logistics.pod.us.p1.recorded": "logistics.pod.v1.PodEvent",
    "logistics.invoice.us.i1.opened": "logistics.invoice.v1.InvoiceEvent",
    "logistics.exception.us.e1.opened": "logistics.exception.v1.ExceptionEvent",
    "logistics.hold.us.h1.placed": "logistics.exception.v1.HoldEvent",
    "logistics.fulfilment.us.f1.begun": "logistics.process.v1.FulfilmentEvent",
    "logistics.wave.us.w1.opened": "logistics.process.v1.WaveEvent",
    "logistics.observation.us.l1.arrived": "logistics.load.v1.DeliveryEvent",
    "logistics.telemetry.us.v1.position": "logistics.fleet.v1.VehiclePosition",
    "logistics.telemetry.us.v1.reading": "logistics.fleet.v1.VehicleSample",
    "logistics.inbox.us.tryton-us.sale.7": "logistics.erp.v1.WatchSalesResponse",
}


def bodies(kind: Any, value: str) -> Iterator[Message]:
    """The message once for each choice of its body, so that no kind of event is left out."""
    choices = [field for field in kind.fields if field.containing_oneof is not None and field.message_type is not None]
    if not choices:
        yield filled(kind, value)
    for field in choices:
        message: Any = GetMessageClass(kind)()
        fill(getattr(message, field.name), value, frozenset({kind.full_name}))
        getattr(message, field.name).SetInParent()
        fill(message, value, frozenset())
        yield message


@pytest.mark.parametrize(("subject", "name"), SUBJECTS.items())
def test_no_view_of_a_dead_letter_shows_it(subject: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    kind = contents.kind_of(subject)
    assert kind is not None
    assert kind.DESCRIPTOR.full_name == name
    for message in bodies(kind.DESCRIPTOR, MARKER):
        view = letters.view(letter_of(subject, message.SerializeToString()), whole=True)
        assert view["message"] == masked(message)
        assert hidden(json.dumps(view))


@pytest.mark.parametrize("payload", [f"driver={MARKER}".encode(), b"\xff\x00" + MARKER.encode()])
@pytest.mark.parametrize("subject", ["logistics.inbox.us.osmand", "logistics.order.us.o1.received", "elsewhere"])
def test_what_nobody_can_read_is_not_shown_unless_asked_for(subject: str, payload: bytes) -> None:
    letter = letter_of(subject, payload)
    assert hidden(json.dumps(letters.view(letter, whole=True)))
    assert not hidden(json.dumps(letters.view(letter, whole=True, raw=True)))


def letter_of(subject: str, payload: bytes) -> DeadLetter:
    now = datetime.now(UTC)
    delivery = Delivery(subject, payload, {}, "ORDERS", 1, now)
    return DeadLetter.of(delivery, "test", reason="wrong", poison=True, seen=(now, now))

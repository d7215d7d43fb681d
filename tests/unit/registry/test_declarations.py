"""What a process may declare of itself, and what its subscriptions say."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest
from google.protobuf.descriptor_pool import Default

from gladhand.bus.port import Delivery, Subscription
from gladhand.contracts.image import load
from gladhand.errors import ContractError
from gladhand.registry import Consumer, Service, reads_of
from gladhand.registry.images import digest_of, normal, own_image, packed, unpacked
from gladhand.registry.participants import declared
from gladhand.registry.paths import covers
from logistics.contract.v1.registration_pb2 import PARTICIPATION_CONSUMER, PARTICIPATION_SERVICE
from logistics.contract.v1.service_pb2 import service as service_policy
from logistics.load.v1 import LoadEvent
from logistics.order.v1 import OrderEvent
from services.orchestrator.journal import DECIDERS
from services.orchestrator.registration import REGISTRATION

SERVICES = ("edge_gateway", "erp_gateway", "fleet_gateway", "orchestrator")


async def nothing(delivery: Delivery) -> None:
    """Handles nothing."""


def subscribed(*filters: str) -> Subscription:
    return Subscription(stream="ORDERS", durable="d", handler=nothing, filters=filters)


def test_a_consumer_is_shown_with_bodies_and_fields() -> None:
    part = Consumer("report", reads={OrderEvent: ["received.order.order_id", "cancelled", "order_id"]})
    found = declared(part, "1", "d")
    assert found.participation == PARTICIPATION_CONSUMER
    (reading,) = found.reads
    assert (reading.message, list(reading.bodies)) == ("logistics.order.v1.OrderEvent", ["cancelled", "received"])
    assert list(reading.fields) == ["cancelled", "order_id", "received.order.order_id"]


def test_whoever_reads_everything_handles_every_body() -> None:
    (reading,) = declared(Consumer("archive", reads={OrderEvent: ["*"]}), "1", "d").reads
    assert len(reading.bodies) == len(OrderEvent.DESCRIPTOR.oneofs_by_name["body"].fields)


def test_whatever_serves_is_a_service() -> None:
    part = Service("s", services=["logistics.dispatch.v1.DispatchService"])
    assert declared(part, "1", "d").participation == PARTICIPATION_SERVICE


def test_every_name_that_the_contract_lacks_is_told() -> None:
    part = Service(
        "s",
        reads={OrderEvent: ["order_no", "received.order.order_id.deeper"], LoadEvent: []},
        calls=["logistics.order.v1.OrderService/Get"],
        services=["logistics.order.v1.OrderService"],
    )
    with pytest.raises(ContractError) as caught:
        declared(part, "1", "d")
    for told in ("'order_no'", "'deeper'", "LoadEvent without any field", "method logistics.order.v1.OrderService/Get"):
        assert told in caught.value.message


def test_filters_tell_which_bodies_come() -> None:
    reads = reads_of([subscribed("logistics.order.*.*.received", "logistics.order.us.*.cancelled")], OrderEvent)
    assert {path for path in reads[OrderEvent] if path.endswith("ed.*")} == {"received.*", "cancelled.*"}
    assert {"order_id", "occur_time.*"} < set(reads[OrderEvent])


def test_a_filter_of_everything_reads_everything() -> None:
    assert reads_of([subscribed("logistics.load.>")], OrderEvent, LoadEvent) == {LoadEvent: ["*"]}


def test_filters_of_other_subjects_read_no_event() -> None:
    assert reads_of([subscribed("logistics.due.wave.>", "other.order.>")], OrderEvent) == {}


@pytest.mark.parametrize(
    ("wide", "path", "does"),
    [
        ("*", "a.b", True),
        ("a.*", "a", True),
        ("a.*", "a.b.c", True),
        ("a.*", "ab", False),
        ("a.b", "a", True),
        ("a.b", "a.b", True),
        ("a.b", "a.b.c", False),
        ("a.b", "a.*", False),
        ("a.b.*", "a", True),
        ("a.b.*", "a.c", False),
    ],
)
def test_what_a_declared_path_covers(wide: str, path: str, does: bool) -> None:
    assert covers(wide, path) is does


def test_the_contract_has_one_digest_however_it_is_read() -> None:
    image = own_image()
    assert digest_of(image) == digest_of(normal(image.file))
    assert digest_of(unpacked(packed(image), digest_of(image))) == digest_of(image)


def test_the_installed_contract_is_the_one_that_buf_builds(repository: Path) -> None:
    assert digest_of(normal(load(repository / "proto").file)) == digest_of(own_image())


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_declares_the_methods_that_its_code_calls(service: str, repository: Path) -> None:
    sources = [path.read_text() for path in sorted((repository / "services" / service).rglob("*.py"))]
    called = {name for text in sources for name in re.findall(r"\b(?:_stub|orchestrator)\.([A-Z]\w+)\(", text)}
    messages = {name for name in called if name.endswith(("Request", "Response"))}
    part: Service = import_module(f"services.{service}.registration").REGISTRATION
    assert {call.partition("/")[2] for call in part.calls} == called - messages


@pytest.mark.parametrize("service", SERVICES)
def test_the_contract_lets_a_service_call_what_it_calls_and_no_method_more(service: str) -> None:
    part: Service = import_module(f"services.{service}.registration").REGISTRATION
    allowed = {
        call
        for each in part.services
        for call in Default().FindServiceByName(each).GetOptions().Extensions[service_policy].calls
    }
    assert allowed == set(part.calls)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_declares_what_its_contract_has_and_joins_with_it(service: str, repository: Path) -> None:
    part: Service = import_module(f"services.{service}.registration").REGISTRATION
    assert declared(part, "1", "d").serves
    assert part.name == service
    tree = ast.parse((repository / "services" / service / "main.py").read_text())
    joining = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"joined", "present"}
    ]
    assert [ast.unparse(word.value) for node in joining for word in node.keywords if word.arg == "part"] == [
        "REGISTRATION"
    ]


def test_the_orchestrator_declares_every_event_that_its_subscriptions_bring() -> None:
    assert {decider.envelope for decider in DECIDERS.values()} < set(REGISTRATION.reads)

"""Who is hit by which change of the contract."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from buf.validate.validate_pb2 import field as rules
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorSet

from gladhand.contracts.model import read
from gladhand.registry.footprint import footprint
from gladhand.registry.images import digest_of, own_image
from gladhand.registry.participants import Consumer, Service, declared
from gladhand.registry.verdict import Verdict, answers_for, judge
from logistics.contract.v1.registration_pb2 import Registration
from logistics.load.v1 import LoadEvent
from logistics.order.v1 import OrderEvent
from tests.unit.registry import edits
from tests.unit.registry.edits import Edit, edited

GET, LIST, SUBMIT = (
    f"logistics.orchestrator.v1.OrchestratorService/{each}" for each in ("GetOrder", "ListOrders", "SubmitOrder")
)
EDGE = "logistics.edge.v1.EdgeIngestService"
RECORD = "logistics.orchestrator.v1.OrchestratorService/RecordProofOfDelivery"
RESOLVE = "logistics.dispatch.v1.DispatchService/ResolveDevice"
ORDER, LINE = "logistics.order.v1.Order", "logistics.order.v1.OrderLine"

BILLING = Consumer("billing", reads={OrderEvent: ["order_id", "received.order.lines.quantities.invoiced.value"]})
ARCHIVE = Consumer("archive", reads={OrderEvent: ["*"]})
STATES = Consumer("states", reads={OrderEvent: ["received.order.state"]})
BIRTHS = Consumer("births", reads={OrderEvent: ["received", "occur_time.*"]})
CUSTOMERS = Consumer("customers", reads={OrderEvent: ["received.order.customer.*"]})
DISPATCHER = Consumer("dispatcher", reads={LoadEvent: ["*"]})
PORTAL = Consumer("portal", calls=[GET])
SHOP = Consumer("shop", calls=[SUBMIT])
EVERYBODY = (BILLING, ARCHIVE, STATES, BIRTHS, CUSTOMERS, DISPATCHER, PORTAL, SHOP)


def entry(part: Consumer, image: FileDescriptorSet | None = None, instance: str = "1") -> Registration:
    return declared(part, instance, digest_of(image or own_image()))


def asked(*edit: Edit, parts: tuple[Consumer, ...] = EVERYBODY) -> Verdict:
    return judge(edited(*edit), [entry(part) for part in parts], {digest_of(own_image()): own_image()})


def broken(verdict: Verdict) -> set[str]:
    return {each.name for each in verdict.broken}


@pytest.mark.parametrize(
    ("edit", "hit"),
    [
        pytest.param(edits.without_field(f"{LINE}.quantities"), {"billing", "archive", "portal", "shop"}, id="field"),
        pytest.param(edits.without_field(f"{LINE}.sku"), {"archive", "portal", "shop"}, id="field beside those read"),
        pytest.param(
            edits.retyped(f"{ORDER}.state", FieldDescriptorProto.TYPE_STRING),
            {"states", "archive", "portal", "shop"},
            id="type",
        ),
        pytest.param(
            edits.without_field("logistics.order.v1.OrderEvent.received"),
            {"billing", "archive", "states", "births", "customers"},
            id="event body",
        ),
        pytest.param(edits.without_field("logistics.order.v1.OrderEvent.cancelled"), {"archive"}, id="another body"),
        pytest.param(
            edits.with_token("logistics.order.v1.OrderReceived", "came"),
            {"billing", "archive", "states", "births", "customers"},
            id="subject",
        ),
        pytest.param(
            edits.without_field("logistics.type.v1.Party.name"),
            {"archive", "customers", "portal", "shop"},
            id="deep in a party",
        ),
        pytest.param(edits.without_method(GET), {"portal"}, id="method"),
        pytest.param(edits.without_method(LIST), set(), id="method nobody calls"),
        pytest.param(edits.with_scope_only(SUBMIT, "orders.royal"), {"shop"}, id="scope"),
        pytest.param(edits.with_field(f"{ORDER}.colour"), set(), id="added"),
    ],
)
def test_those_are_hit_that_stand_on_what_is_gone(edit: Edit, hit: set[str]) -> None:
    assert broken(asked(edit)) == hit


def test_a_hit_names_the_field_and_what_became_of_it() -> None:
    (billing,) = asked(edits.without_field(f"{LINE}.quantities"), parts=(BILLING,)).broken
    (hit,) = billing.hits
    assert hit.change.element == f"{LINE}.quantities"
    assert [use.path for use in hit.uses] == ["received.order.lines.quantities.invoiced.value"]
    assert "is gone" in str(hit)


def test_a_field_that_nobody_live_reads_may_go_and_is_told() -> None:
    verdict = asked(edits.without_field(f"{LINE}.sku"), parts=(BILLING, STATES))
    assert broken(verdict) == set()
    assert [each.element for each in verdict.harmless] == [f"{LINE}.sku"]


def test_a_deleted_edge_hits_nobody_and_breaks_the_policy() -> None:
    verdict = asked(edits.without_edges("logistics.order.v1.OrderState", "ORDER_STATE_RECEIVED"))
    assert broken(verdict) == set()
    assert {each.element for each in verdict.policy} == {"logistics.order.v1.OrderState"}
    assert verdict.harmless == ()


def test_a_method_that_takes_less_hits_who_sends_it_and_not_who_reads_the_same_in_events() -> None:
    def tighten(image: FileDescriptorSet) -> None:
        sku = next(each for each in edits.message(image, LINE).field if each.name == "sku")
        sku.options.Extensions[rules].string.max_len = 3

    assert broken(asked(tighten)) == {"shop"}


def test_the_same_contract_breaks_nobody_and_is_not_compared() -> None:
    def never(old: FileDescriptorSet, new: FileDescriptorSet) -> tuple[()]:
        raise AssertionError("compared")

    images = {digest_of(own_image()): own_image()}
    verdict = judge(own_image(), [entry(part) for part in EVERYBODY], images, differences=never)
    assert broken(verdict) == set()
    assert len(verdict.judged) == len(EVERYBODY)


def test_each_is_compared_with_its_own_contract() -> None:
    wider = edited(edits.with_field(f"{ORDER}.colour"))
    images: Mapping[str, FileDescriptorSet] = {digest_of(each): each for each in (own_image(), wider)}
    newer = entry(Consumer("newer", reads={OrderEvent: ["*"]}), wider)
    verdict = judge(own_image(), [entry(ARCHIVE), newer], images)
    assert broken(verdict) == {"newer"}


def test_replicas_are_judged_together_and_counted() -> None:
    registrations = [entry(BILLING, instance="1"), entry(BILLING, instance="2"), entry(STATES)]
    verdict = judge(own_image(), registrations, {})
    assert sorted((each.name, each.instances) for each in verdict.judged) == [
        ("billing", ("1", "2")),
        ("states", ("1",)),
    ]


def test_without_its_contract_a_process_is_looked_for_by_names() -> None:
    lost = entry(BILLING, edited(edits.with_field(f"{ORDER}.colour")))
    verdict = judge(edited(edits.without_field(f"{LINE}.quantities")), [lost], {})
    assert broken(verdict) == {"billing"}
    assert verdict.broken[0].by_names
    (still_there,) = judge(own_image(), [lost], {}).judged
    assert still_there.hits == ()
    assert still_there.by_names


def test_only_what_a_service_answers_for_counts() -> None:
    edit = edited(edits.without_method(GET), edits.without_field(f"{LINE}.quantities"))
    registrations = [entry(part) for part in (PORTAL, BILLING)]
    images = {digest_of(own_image()): own_image()}
    verdict = judge(edit, registrations, images, concerns=lambda use, _contract: use.of == GET)
    assert broken(verdict) == {"portal"}
    assert [use.of for hit in verdict.broken[0].hits for use in hit.uses] == [GET] * len(verdict.broken[0].hits)


@pytest.mark.parametrize(
    ("subjects", "hit"),
    [
        (("logistics.order.>", "logistics.load.>"), {"billing"}),
        (("logistics.>",), {"billing"}),
        (("logistics.load.>",), set()),
        ((), set()),
    ],
    ids=["its subject", "every subject", "another subject", "no subject"],
)
def test_a_service_answers_for_the_events_that_its_policy_lets_it_publish(
    subjects: tuple[str, ...], hit: set[str]
) -> None:
    fleet = "logistics.dispatch.v1.DispatchService"
    own = entry(Service("fleet", services=[fleet]))
    new = edited(edits.without_field(f"{LINE}.quantities"), edits.publishing(fleet, *subjects))
    verdict = judge(new, [entry(BILLING), entry(PORTAL)], {digest_of(own_image()): own_image()}, answers_for(own))
    assert broken(verdict) == hit


def test_a_service_without_policy_answers_for_every_event_and_only_its_own_methods() -> None:
    fleet = "logistics.dispatch.v1.DispatchService"
    new = edited(edits.without_field(f"{LINE}.quantities"), edits.without_policy(fleet))
    own = entry(Service("fleet", services=[fleet]))
    verdict = judge(new, [entry(BILLING), entry(PORTAL)], {digest_of(own_image()): own_image()}, answers_for(own))
    assert broken(verdict) == {"billing"}


def test_a_process_is_hit_that_may_no_longer_call_what_it_calls_and_no_other_caller_of_it() -> None:
    edge = Service("edge_gateway", services=[EDGE], calls=[RECORD])
    phones = Consumer("phones", calls=[RECORD])
    (hit_one,) = asked(edits.calling(EDGE), parts=(edge, phones)).broken
    assert hit_one.name == "edge_gateway"
    assert [use.of for hit in hit_one.hits for use in hit.uses] == [RECORD]
    assert "edge_gateway may no longer call" in str(hit_one.hits[0])
    assert broken(asked(edits.calling(EDGE, RECORD, RESOLVE, SUBMIT), parts=(edge, phones))) == set()


def test_a_declared_path_of_garbage_stands_on_nothing_known() -> None:
    registration = entry(Service("s", services=["logistics.dispatch.v1.DispatchService"]))
    registration.reads.add(message="logistics.order.v1.OrderEvent", fields=["nonsense.deep", "order_id.deeper"])
    registration.reads.add(message="logistics.no.v1.Such", fields=["*"])
    found = footprint(registration, read(own_image().file))
    assert sorted(use.path for use in found.missing) == ["*", "nonsense.deep", "order_id.deeper"]

"""From the contract to subjects: what is declared is granted, exactly, and what NATS cannot grant is refused."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gladhand.bus.authorization import written
from gladhand.bus.identities import operator, rights_of_all, setup
from gladhand.bus.permissions import BusPolicy, Consumer, policies_of, rights_of
from gladhand.bus.streams import standard_streams
from gladhand.bus.subjects import covers, matches, overlap
from gladhand.cli.home import Home
from gladhand.cli.mesh.access import READABLE, Access
from gladhand.errors import ContractError
from logistics.contract.v1 import envelope
from logistics.erp.v1 import erp_gateway_service_pb2
from tests.contract import catalog

STREAMS = {spec.name: spec.subjects for spec in standard_streams()}
TOKENS = ("a", "b", "*", ">")


def subjects_up_to(length: int) -> list[str]:
    return [".".join(each) for n in range(1, length + 1) for each in itertools.product("ab", repeat=n)]


filters = st.lists(st.sampled_from(TOKENS[:3]), min_size=1, max_size=4).flatmap(
    lambda tokens: st.sampled_from([".".join(tokens), ".".join([*tokens, ">"])])
)


@given(filters, filters)
def test_covering_and_overlapping_are_what_matching_says(one: str, other: str) -> None:
    subjects = subjects_up_to(6)
    here = {subject for subject in subjects if matches(one, subject)}
    there = {subject for subject in subjects if matches(other, subject)}
    # A wildcard token stands for other tokens than a and b too, so only sets that hold one say something.
    assert overlap(one, other) == bool(here & there)
    if covers(one, other):
        assert there <= here
    elif "b" not in one.split(".") and "a" not in one.split("."):
        assert not there <= here


def test_every_service_of_the_contract_declares_its_identity() -> None:
    # What every process serves beside its own says of itself nothing: it has the identity of the process.
    served = [
        service
        for file in catalog.files()
        if file.package != "logistics.server.v1"
        for service in file.services_by_name.values()
    ]
    found = policies_of(served, {"erp_instance": "tryton-us"})
    assert {each.identity for each in found} == {"orchestrator", "erp_gateway", "fleet_gateway", "edge_gateway"}


def test_a_placeholder_that_nobody_fills_in_is_named() -> None:
    services = erp_gateway_service_pb2.DESCRIPTOR.services_by_name.values()
    with pytest.raises(ContractError, match="needs erp_instance"):
        policies_of(services, {})
    (policy,) = policies_of(services, {"erp_instance": "tryton.us"})
    assert policy.consumers[0].durable == "erp_gateway_tryton_us"


def test_every_aggregate_can_be_given_to_a_reader() -> None:
    declared = {message.GetOptions().Extensions[envelope].aggregate for message in catalog.envelopes()}
    assert set(READABLE) == declared | {"telemetry", "observation"}


def test_the_edge_gateway_may_send_where_it_declares_and_nowhere_near() -> None:
    (edge,) = [each for each in Access(Home(Path("x"), Path("x"))).rights({}) if each.identity == "edge_gateway"]
    for subject in (
        "logistics.inbox.us.osmand",
        "logistics.telemetry.us.v1.position",
        "$JS.API.CONSUMER.CREATE.LOADS.read-1.logistics.load.us.>",
        "$JS.API.CONSUMER.MSG.NEXT.LOADS.read-1",
        "$JS.ACK.INBOX.edge-inbox.1.2.3.4.5",
        "logistics.deadletter.edge-inbox.INBOX",
        "$KV.INBOX_KEYS.a.b",
    ):
        assert edge.allows(subject), subject
    for subject in (
        "logistics.invoice.us.i1.posted",
        "logistics.load.us.l1.planned",
        "logistics.deadletter.orchestrator-planning.ORDERS",
        "$JS.API.CONSUMER.CREATE.LOADS.read-1",
        "$JS.API.CONSUMER.CREATE.LOADS.read-1.logistics.pod.us.>",
        "$JS.API.CONSUMER.MSG.NEXT.LOADS.orchestrator-ripple",
        "$JS.API.DIRECT.GET.LOADS",
        "$JS.API.STREAM.MSG.GET.LOADS",
        "$JS.API.STREAM.CREATE.KV_INBOX_KEYS",
        "$JS.API.STREAM.PURGE.TIMERS",
        "$JS.ACK.LOADS.orchestrator-ripple.1.2.3.4.5",
        "$KV.CLOCK.offset_ms",
    ):
        assert not edge.allows(subject), subject


def test_no_request_of_anybody_would_be_carried_out_twice() -> None:
    for rights in Access(Home(Path("x"), Path("x"))).rights({"team": sorted(READABLE)}):
        pairs = itertools.combinations(rights.grants, 2)
        assert [(one, other) for one, other in pairs if overlap(one.subject, other.subject)] == []


def test_several_filters_need_the_whole_stream() -> None:
    consumer = Consumer("two", ("logistics.load.*.*.planned", "logistics.load.*.*.cancelled"))
    with pytest.raises(ContractError, match="only to who reads all of LOADS"):
        rights_of(BusPolicy("x", reads=("logistics.load.>",), consumers=(consumer,)), STREAMS)
    whole = BusPolicy("x", reads=("logistics.load.>", "logistics.pod.>"), consumers=(consumer,))
    assert rights_of(whole, STREAMS).allows("$JS.API.CONSUMER.CREATE.LOADS.two")


@pytest.mark.parametrize("subject", ["logistics.nothing.>", "logistics.>"])
def test_what_is_read_belongs_to_one_stream(subject: str) -> None:
    with pytest.raises(ContractError, match="must belong to one stream"):
        rights_of(BusPolicy("x", reads=(subject,)), STREAMS)


def test_each_identity_hears_its_own_inbox_alone() -> None:
    rights = rights_of_all([operator(STREAMS), BusPolicy("one"), BusPolicy("two")], STREAMS)
    text = written(
        rights, {"operator": "UO", "one": "U1", "two": "U2", "mesh_setup": "US"}, rights_of(setup(), STREAMS)
    )
    for name in ("one", "two"):
        assert text.count(f'subscribe: {{allow: ["_INBOX_{name}.>"]}}') == 1

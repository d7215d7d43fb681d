"""What goes wrong after dispatch: proofs, holds, waivers, retractions, deadlines, each in a world of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration

from gladhand import ids
from gladhand.errors import PermissionDenied
from gladhand.testing import eventually
from logistics.exception.v1 import Alert, AlertReason, ExceptionKind, ExceptionState, Gate, Hold, HoldKind, Severity
from logistics.exception.v1 import Exception as MeshException
from logistics.invoice.v1 import GateCheckKind, GateResult, InvoiceState
from logistics.load.v1 import DeliveryEvent, DeliveryEventSource, LoadState, Milestone, StopKind, StopState
from logistics.order.v1 import OrderState
from logistics.pod.v1 import PodMethod, PodState
from logistics.process.v1 import (
    BillingPolicy,
    ExceptionRule,
    HoldRule,
    MilestonePolicy,
    ProcessPolicy,
    WaiverRule,
)
from logistics.type.v1 import Classifier, ReferenceType
from services.orchestrator.billing import invoice_id_of
from services.orchestrator.blocking import Subject
from services.orchestrator.deciders import exception, invoice, load, pod
from services.orchestrator.journal import Cause
from services.orchestrator.processes.retractions import edi_pod_id
from services.orchestrator.processes.waivers import waiver_scope
from tests.simulation.world import REGION, World, an_order, trial

POD_CHECK = GateCheckKind.GATE_CHECK_KIND_POD_VERIFIED


def policy(**fields: object) -> ProcessPolicy:
    base = trial()
    base.MergeFrom(ProcessPolicy(**fields))  # type: ignore[arg-type]
    return base


async def exceptions(world: World, kind: str) -> list[MeshException]:
    page = await world.read_model.exceptions(page_size=200)
    wanted = ExceptionKind.Value(f"EXCEPTION_KIND_{kind}")
    return [found for found in page.items if found.kind == wanted]


async def told_of(world: World, kind: str) -> MeshException:
    found = await eventually(lambda: exceptions(world, kind), what=f"an exception {kind}")
    return found[0]


async def stops(world: World, order_id: str) -> tuple[str, str, str]:
    """The load that brings an order (not the one that carries refused goods back), its pickup and its delivery."""
    load_id = (await world.order(order_id)).load_ids[0]
    found = (await world.orchestrator.desk.journal.find(load.DECIDER, load_id)).state.load
    assert found is not None
    pickup, delivery = found.stops
    assert delivery.kind == StopKind.STOP_KIND_DELIVERY
    return load_id, pickup.stop_id, delivery.stop_id


def word(world: World, load_id: str, stop_id: str, milestone: str, minute: int = 0, name: str = "") -> DeliveryEvent:
    fact = DeliveryEvent(
        delivery_event_id=ids.derive(stop_id, milestone, name or str(minute)),
        milestone=Milestone.Value(f"MILESTONE_{milestone}"),
        load_id=load_id,
        stop_id=stop_id,
        vehicle_id="truck-1",
        classifier=Classifier.CLASSIFIER_ACTUAL,
        source=DeliveryEventSource.DELIVERY_EVENT_SOURCE_EDI,
        region=REGION,
    )
    fact.occur_time.FromDatetime(world.clock.now() + timedelta(minutes=minute))
    fact.receive_time.FromDatetime(world.clock.now())
    return fact


async def say(world: World, facts: Sequence[DeliveryEvent]) -> None:
    for fact in facts:
        subject = f"logistics.observation.{REGION}.{fact.load_id}.{Milestone.Name(fact.milestone).lower()}"
        await world.bus.publish(subject, fact.SerializeToString(), message_id=str(world.dice.random()))
    await world.quiet()


async def dispatched(world: World, number: str = "SO-1") -> tuple[str, str, str, str]:
    order_id = await world.submit(an_order(number))
    await world.reach(order_id, OrderState.ORDER_STATE_DISPATCHED)
    return (order_id, *await stops(world, order_id))


async def invoice_checks(world: World, order_id: str) -> dict[str, int]:
    found = (await world.orchestrator.desk.journal.find(invoice.DECIDER, invoice_id_of(order_id))).state.invoice
    checks = found.checks if found is not None else ()
    return {GateCheckKind.Name(c.kind).removeprefix("GATE_CHECK_KIND_"): c.result for c in checks}


def cause(name: str) -> Cause:
    return Cause(request_id=ids.derive("6f1c7f0e-52c1-5d0b-9a5e-7d1f0b8f2a11", name), region=REGION)


async def test_nothing_is_billed_without_a_proof_until_a_named_role_waives_it(tmp_path: Path) -> None:
    rule = WaiverRule(check=POD_CHECK, scope="finance.waive")
    async with World.opened(tmp_path, policy=policy(billing=BillingPolicy(waivers=[rule]))) as world:
        order_id = await world.submit(an_order("SO-1"))
        world.silent.add(order_id)
        await world.run_for(timedelta(hours=6), [order_id])
        assert (await world.order(order_id)).state == OrderState.ORDER_STATE_IN_EXECUTION
        assert not world.erp.postings
        missing = await told_of(world, "POD_MISSING")
        waivers = world.orchestrator.desk.waivers
        assert waiver_scope(await waivers.policy_of(order_id), POD_CHECK) == "finance.waive"
        await waivers.waive(order_id, POD_CHECK, "the consignee confirmed by phone", "fiona", cause("waive"))
        await world.run_until_settled([order_id])
        assert (await world.order(order_id)).state == OrderState.ORDER_STATE_INVOICED
        assert world.erp.postings[order_id] == 1
        billed = (await world.orchestrator.desk.journal.find(invoice.DECIDER, invoice_id_of(order_id))).state.invoice
        assert billed is not None
        (check,) = (check for check in billed.checks if check.kind == POD_CHECK)
        assert (check.result, check.waived_by) == (GateResult.GATE_RESULT_WAIVED, "fiona")
        settled = (await world.orchestrator.desk.journal.find(exception.DECIDER, missing.exception_id)).state.exception
        assert settled is not None
        assert settled.resolution_code == "WAIVED"


async def test_a_check_that_the_policy_names_no_role_for_is_waived_by_nobody() -> None:
    with pytest.raises(PermissionDenied):
        waiver_scope(trial(), POD_CHECK)


async def test_a_second_proof_counts_until_the_gate_opens_and_is_told_of_afterwards(tmp_path: Path) -> None:
    async with World.opened(tmp_path, policy=policy(quiet_period=Duration(seconds=7200))) as world:
        order_id = await world.submit(an_order("SO-1", ("CRATE", 4)))
        await world.run_for(timedelta(hours=1), [order_id])
        assert (await world.order(order_id)).state == OrderState.ORDER_STATE_DELIVERED
        world.refused[order_id] = 1
        await world.prove_again(order_id, "second")
        await world.quiet()
        assert (await world.order(order_id)).lines[0].quantities.accepted.value == "3"
        _, _, delivery = await stops(world, order_id)
        first = (await world.orchestrator.desk.journal.find(pod.DECIDER, ids.derive(delivery, "pod"))).state.pod
        assert first is not None
        assert first.state == PodState.POD_STATE_SUPERSEDED
        # The stop is completed when its newest proof says, so the quiet period counts from the second one.
        await world.run_for(timedelta(hours=2), [order_id])
        await world.run_until_settled([order_id])
        assert (await world.order(order_id)).lines[0].quantities.invoiced.value == "3"
        world.refused[order_id] = 2
        await world.prove_again(order_id, "third")
        told = await told_of(world, "RETRACTED_AFTER_USE")
        assert "credit memo" in told.message
        assert (await world.order(order_id)).lines[0].quantities.accepted.value == "3"
        assert world.erp.postings[order_id] == 1


async def test_a_word_taken_back_before_billing_takes_the_delivery_back(tmp_path: Path) -> None:
    asked = policy(pod_methods=[PodMethod.POD_METHOD_EDI_ONLY], quiet_period=Duration(seconds=86400))
    async with World.opened(tmp_path, policy=asked) as world:
        order_id, load_id, pickup, delivery = await dispatched(world)
        await say(world, [word(world, load_id, pickup, "DEPARTED_PICKUP")])
        world.clock.advance(timedelta(minutes=30))
        first, other = (word(world, load_id, delivery, "DELIVERED", minute) for minute in (-2, -1))
        await say(world, [first, other, first])
        assert (await world.order(order_id)).state == OrderState.ORDER_STATE_DELIVERED
        back = word(world, load_id, delivery, "DELIVERED", 0, "retraction")
        back.retracts_event_id = other.delivery_event_id
        await say(world, [back])
        found = (await world.orchestrator.desk.journal.find(load.DECIDER, load_id)).state.load
        assert found is not None
        assert list(found.stops[1].pod_ids) == [edi_pod_id(first.delivery_event_id)]
        assert (await world.order(order_id)).state == OrderState.ORDER_STATE_DELIVERED
        last = word(world, load_id, delivery, "DELIVERED", 0, "second retraction")
        last.retracts_event_id = first.delivery_event_id
        await say(world, [last, first, other])
        assert (await world.order(order_id)).state == OrderState.ORDER_STATE_IN_EXECUTION
        assert not (await world.order(order_id)).lines[0].quantities.HasField("accepted")
        found = (await world.orchestrator.desk.journal.find(load.DECIDER, load_id)).state.load
        assert found is not None
        assert found.stops[1].state == StopState.STOP_STATE_PLANNED
        assert found.state == LoadState.LOAD_STATE_IN_TRANSIT
        assert not await exceptions(world, "RETRACTED_AFTER_USE")


async def test_a_word_taken_back_after_billing_changes_nothing_and_says_what_helps(tmp_path: Path) -> None:
    async with World.opened(tmp_path, policy=policy(pod_methods=[PodMethod.POD_METHOD_EDI_ONLY])) as world:
        order_id, load_id, pickup, delivery = await dispatched(world)
        await say(world, [word(world, load_id, pickup, "DEPARTED_PICKUP")])
        world.clock.advance(timedelta(minutes=30))
        done = word(world, load_id, delivery, "DELIVERED", -1)
        await say(world, [done])
        assert (await world.order(order_id)).state == OrderState.ORDER_STATE_INVOICED
        back = word(world, load_id, delivery, "DELIVERED", 0, "retraction")
        back.retracts_event_id = done.delivery_event_id
        await say(world, [back, back])
        told = await told_of(world, "RETRACTED_AFTER_USE")
        assert told.severity == Severity.SEVERITY_CRITICAL
        assert "credit memo" in told.message
        assert len(await exceptions(world, "RETRACTED_AFTER_USE")) == 1
        assert (await world.order(order_id)).state == OrderState.ORDER_STATE_INVOICED
        assert (await world.order(order_id)).lines[0].quantities.accepted.value == "4"


async def test_a_carriers_word_is_no_proof_where_the_policy_asks_for_one(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        order_id, load_id, pickup, delivery = await dispatched(world)
        facts = [word(world, load_id, pickup, "DEPARTED_PICKUP"), word(world, load_id, delivery, "DELIVERED", 1)]
        await say(world, facts)
        assert (await world.order(order_id)).state == OrderState.ORDER_STATE_IN_EXECUTION


async def test_what_happens_tomorrow_and_what_nobody_knows_is_told_and_not_recorded(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        _, load_id, pickup, _ = await dispatched(world)
        before = (await world.orchestrator.desk.journal.find(load.DECIDER, load_id)).version
        strange = word(world, load_id, pickup, "OTHER")
        strange.raw_code = "Q9"
        await say(world, [word(world, load_id, pickup, "ARRIVED_PICKUP", 24 * 60), strange])
        assert (await told_of(world, "FUTURE_DATED_EVENT")).load_id == load_id
        assert "Q9" in (await told_of(world, "MAPPING_FAILED")).message
        assert (await world.orchestrator.desk.journal.find(load.DECIDER, load_id)).version == before


async def test_a_delivery_under_a_hold_is_recorded_and_not_billed(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        order_id, load_id, _, delivery = await dispatched(world)
        held = Hold(
            hold_id=ids.derive(order_id, "recall"),
            kind=HoldKind.HOLD_KIND_COMPLIANCE,
            gates=[Gate.GATE_DELIVERY],
            load_id=load_id,
            stop_id=delivery,
            reason="the batch is recalled",
            placed_by="ines",
            region=REGION,
        )
        await world.orchestrator.desk.holds.place(held, cause("recall"))
        await world.run_for(timedelta(hours=1), [order_id])
        told = await told_of(world, "SEQUENCE_CONFLICT")
        assert held.hold_id in told.message
        assert (await world.order(order_id)).state == OrderState.ORDER_STATE_DELIVERED
        assert not world.erp.postings
        blocks = world.orchestrator.desk.blocks
        (standing,) = await blocks.blocked_by(Subject(order_id=order_id), Gate.GATE_BILLING)
        assert standing.hold.exception_id == told.exception_id
        assert (await invoice_checks(world, order_id))["NO_BILLING_HOLD"] == GateResult.GATE_RESULT_FAIL
        assert (await invoice_checks(world, order_id))["POD_VERIFIED"] == GateResult.GATE_RESULT_PASS
        await world.release(standing.hold.hold_id, "omar")
        await world.run_until_settled([order_id])
        assert world.erp.postings[order_id] == 1


async def test_a_billing_hold_of_a_load_shuts_the_gate_of_its_orders(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        order_id, load_id, _, _ = await dispatched(world)
        held = Hold(
            hold_id=ids.derive(load_id, "audit"),
            kind=HoldKind.HOLD_KIND_FINANCE,
            gates=[Gate.GATE_BILLING],
            load_id=load_id,
            reason="the freight is audited",
            placed_by="ines",
            region=REGION,
        )
        await world.orchestrator.desk.holds.place(held, cause("audit"))
        await world.run_for(timedelta(hours=1), [order_id])
        assert (await world.order(order_id)).state == OrderState.ORDER_STATE_DELIVERED
        assert (await invoice_checks(world, order_id))["NO_BILLING_HOLD"] == GateResult.GATE_RESULT_FAIL
        await world.release(held.hold_id, "omar")
        await world.run_until_settled([order_id])
        assert (await world.order(order_id)).state == OrderState.ORDER_STATE_INVOICED


async def test_a_hold_of_the_planning_that_comes_after_it_keeps_the_vehicle_in(tmp_path: Path) -> None:
    rule = HoldRule(kind=HoldKind.HOLD_KIND_CUSTOMER, four_eyes=True, scope="sales.release")
    async with World.opened(tmp_path, policy=policy(holds=[rule])) as world:
        order_id = await world.submit(an_order("SO-1"))
        held = Hold(
            hold_id=ids.derive(order_id, "credit"),
            kind=HoldKind.HOLD_KIND_CUSTOMER,
            gates=[Gate.GATE_PLANNING],
            order_id=order_id,
            line_id="1",
            reason="credit is looked at",
            placed_by="ines",
            region=REGION,
        )
        await world.reach(order_id, OrderState.ORDER_STATE_RELEASED)
        await world.orchestrator.desk.holds.place(held, cause("credit"))
        await world.run_for(timedelta(hours=1), [order_id])
        assert (await world.order(order_id)).state == OrderState.ORDER_STATE_RELEASED
        (standing,) = await world.orchestrator.desk.blocks.blocked_by(
            Subject(order_id=order_id, line_id="1"), Gate.GATE_DISPATCH
        )
        assert (standing.release_scope, standing.not_by, standing.stands_on) == ("sales.release", "ines", "line/1")
        await world.release(held.hold_id, "omar")
        await world.run_until_settled([order_id])
        assert (await world.order(order_id)).state == OrderState.ORDER_STATE_INVOICED


async def test_references_that_the_customer_asks_for_keep_the_gate_shut(tmp_path: Path) -> None:
    kind = GateCheckKind.GATE_CHECK_KIND_REFERENCES
    billing = BillingPolicy(
        required_references=[ReferenceType.REFERENCE_TYPE_PURCHASE_ORDER],
        waivers=[WaiverRule(check=kind, scope="finance.waive")],
    )
    async with World.opened(tmp_path, policy=policy(billing=billing)) as world:
        order_id = await world.submit(an_order("SO-1"))
        await world.run_for(timedelta(hours=1), [order_id])
        checks = await invoice_checks(world, order_id)
        assert checks["REFERENCES"] == GateResult.GATE_RESULT_FAIL
        assert checks["POD_VERIFIED"] == GateResult.GATE_RESULT_PASS
        assert await world.invoice_state(order_id) == InvoiceState.INVOICE_STATE_BLOCKED
        await world.orchestrator.desk.waivers.waive(order_id, kind, "this customer never does", "fiona", cause("refs"))
        await world.run_until_settled([order_id])
        assert (await invoice_checks(world, order_id))["REFERENCES"] == GateResult.GATE_RESULT_WAIVED


async def test_an_overdue_exception_calls_one_after_the_other_across_restarts(tmp_path: Path) -> None:
    missing = ExceptionKind.EXCEPTION_KIND_POD_MISSING
    rule = ExceptionRule(
        kind=missing,
        severity=Severity.SEVERITY_CRITICAL,
        due_within=Duration(seconds=3600),
        escalation=["dispatch", "manager"],
        escalate_every=Duration(seconds=1800),
    )
    async with World.opened(tmp_path, policy=policy(exceptions=[rule])) as world:
        order_id = await world.submit(an_order("SO-1"))
        world.silent.add(order_id)
        await world.run_for(timedelta(hours=4, minutes=30), [order_id])
        opened = await told_of(world, "POD_MISSING")
        assert (opened.severity, opened.owner) == (Severity.SEVERITY_CRITICAL, "")
        await world.stop()
        world.clock.advance(timedelta(minutes=50))
        await world.start()
        await world.quiet()
        first = (await world.orchestrator.desk.journal.find(exception.DECIDER, opened.exception_id)).state.exception
        assert first is not None
        assert (first.owner, first.escalation_level) == ("dispatch", 1)
        world.lose_timers("exception")
        world.clock.advance(timedelta(hours=2))
        await world.quiet()

        async def second_called() -> bool:
            await world.orchestrator.watchdog.look()
            now = (await world.orchestrator.desk.journal.find(exception.DECIDER, opened.exception_id)).state.exception
            return now is not None and (now.owner, now.escalation_level) == ("manager", 2)

        await eventually(second_called)
        await world.quiet()
        alerts = [Alert.FromString(m.payload) for m in world.messages("ALERTS")]
        told = [a.reason for a in alerts if a.exception.exception_id == opened.exception_id]
        assert told == [
            AlertReason.ALERT_REASON_OPENED,
            AlertReason.ALERT_REASON_ESCALATED,
            AlertReason.ALERT_REASON_ESCALATED,
        ]


async def test_a_dispatch_that_is_overdue_is_told_once_and_settled_by_the_dispatch(tmp_path: Path) -> None:
    early = policy(milestones=MilestonePolicy(dispatch_lead=Duration(seconds=3600)))
    async with World.opened(tmp_path, policy=early) as world:
        world.fleet.pickup_within = timedelta(hours=2)
        order_id = await world.submit(an_order("SO-1"))
        await world.hold(order_id, Gate.GATE_DISPATCH, timedelta(hours=3))
        await world.run_for(timedelta(minutes=30), [order_id])
        assert not await exceptions(world, "DISPATCH_OVERDUE")
        world.lose_timers("milestone")
        await world.run_for(timedelta(hours=2), [order_id])
        overdue = await told_of(world, "DISPATCH_OVERDUE")
        assert len(await exceptions(world, "DISPATCH_OVERDUE")) == 1
        await world.run_for(timedelta(hours=1), [order_id])
        settled = (await world.orchestrator.desk.journal.find(exception.DECIDER, overdue.exception_id)).state.exception
        assert settled is not None
        assert (settled.state, settled.resolution_code) == (ExceptionState.EXCEPTION_STATE_RESOLVED, "RECOVERED")
        (late,) = await exceptions(world, "LATE_PICKUP")
        assert late.state == ExceptionState.EXCEPTION_STATE_OPEN

"""Refused and claimed goods through the whole orchestrator, up to receipt and credit memo (domain reference 3.3)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration

from gladhand import ids
from gladhand.errors import FailedPrecondition, Unavailable
from gladhand.testing import eventually
from logistics.exception.v1 import ExceptionKind
from logistics.invoice.v1 import InvoiceKind, InvoiceState
from logistics.load.v1 import LoadState
from logistics.order.v1 import (
    ClaimState,
    DisposeGoods,
    Disposition,
    GoodsDisposition,
    RecordOrderDelivery,
)
from logistics.process.v1 import RejectionPolicy
from services.orchestrator.billing import credit_id_of, invoice_id_of
from services.orchestrator.deciders import invoice, load, order
from tests.simulation.endings import S, a_policy, claim, decide, exceptions, quantities, told
from tests.simulation.world import World, an_order
from tests.unit.orchestrator.deciders.freight import set_down


async def test_ten_of_a_hundred_refused_are_not_billed_and_come_back(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        order_id = await world.submit(an_order("SO-1", ("CRATE", 100)))
        world.refused[order_id] = 10
        await world.run_until_settled([order_id])
        shown = await world.order(order_id)
        assert shown.state == S.ORDER_STATE_INVOICED
        assert (quantities(shown, "invoiced"), quantities(shown, "rejected")) == (["90"], ["10"])
        assert quantities(shown, "returned") == ["10"]
        assert world.erp.shipped[order_id] == {"1": "90"}
        # The ERP never saw the ten as shipped, so that their receipt is noted and adds nothing to its stock.
        assert world.erp.returned(order_id) == {"1": 10}
        assert world.erp.returned(order_id, to_stock=True) == {}
        assert not world.erp.credits
        assert not world.fleet.live
        await told(world, order_id, ExceptionKind.EXCEPTION_KIND_PARTIAL_REJECTION)
        await told(world, order_id, ExceptionKind.EXCEPTION_KIND_DAMAGE)


async def test_ten_of_a_hundred_asked_back_after_the_posting_are_credited_once_approved(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        order_id = await world.submit(an_order("SO-1", ("CRATE", 100)))
        await world.run_until_settled([order_id])
        posted = (await world.orchestrator.desk.journal.find(invoice.DECIDER, invoice_id_of(order_id))).state.invoice
        assert posted is not None
        claim_id = await claim(world, order_id, 10)
        await told(world, order_id, ExceptionKind.EXCEPTION_KIND_CREDIT_DUE)
        await world.run_for(timedelta(hours=1), [order_id])
        # Nothing is credited before somebody approves it, and what is accepted does not change either.
        assert not world.erp.credits
        assert quantities(await world.order(order_id), "accepted") == ["100"]
        await decide(world, order_id, claim_id, ClaimState.CLAIM_STATE_APPROVED)
        await world.run_until_settled([order_id])
        shown = await world.order(order_id)
        assert shown.state == S.ORDER_STATE_INVOICED
        assert (quantities(shown, "accepted"), quantities(shown, "rejected")) == (["90"], ["10"])
        assert (quantities(shown, "invoiced"), shown.lines[0].credited.value) == (["90"], "10")
        assert quantities(shown, "returned") == ["10"]
        assert world.erp.credited(order_id) == {"1": 10}
        assert world.erp.returned(order_id, to_stock=True) == {"1": 10}
        assert world.erp.postings[order_id] == 1
        after = (await world.orchestrator.desk.journal.find(invoice.DECIDER, posted.invoice_id)).state.invoice
        memo = (await world.orchestrator.desk.journal.find(invoice.DECIDER, credit_id_of(claim_id))).state.invoice
        assert after is not None
        assert memo is not None
        # A posted invoice never changes: the memo stands beside it.
        assert (list(after.lines), after.state) == (list(posted.lines), InvoiceState.INVOICE_STATE_POSTED)
        assert list(after.credit_invoice_ids) == [memo.invoice_id]
        assert (memo.kind, memo.state) == (InvoiceKind.INVOICE_KIND_CREDIT_MEMO, InvoiceState.INVOICE_STATE_POSTED)
        assert memo.corrects_invoice_id == after.invoice_id


async def test_a_declined_claim_credits_nothing(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        order_id = await world.submit(an_order("SO-1", ("CRATE", 100)))
        await world.run_until_settled([order_id])
        claim_id = await claim(world, order_id, 10)
        await told(world, order_id, ExceptionKind.EXCEPTION_KIND_CREDIT_DUE)
        await decide(world, order_id, claim_id, ClaimState.CLAIM_STATE_DECLINED)
        await world.run_for(timedelta(hours=1), [order_id])
        assert not world.erp.credits
        assert quantities(await world.order(order_id), "accepted") == ["100"]

        async def put_right() -> bool:
            return not await world.open_exception(order_id)

        await eventually(put_right)


async def test_a_proof_that_takes_back_what_is_posted_is_credited_by_policy(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        order_id = await world.submit(an_order("SO-1", ("CRATE", 100)))
        await world.run_until_settled([order_id])
        state = (await world.orchestrator.desk.journal.find(order.DECIDER, order_id)).state
        load_id, stop_id = next(iter(state.deliveries))
        newer = RecordOrderDelivery(
            load_id=load_id, stop_id=stop_id, pod_id=ids.derive(order_id, "newer"), proof_verified=True
        )
        newer.lines.append(set_down("1", 90, 10))
        await world.wish(order_id, newer)
        await told(world, order_id, ExceptionKind.EXCEPTION_KIND_RETRACTED_AFTER_USE)
        await world.run_until_settled([order_id])
        assert world.erp.credited(order_id) == {"1": 10}
        assert quantities(await world.order(order_id), "invoiced") == ["90"]


async def test_a_claim_before_the_posting_lays_the_invoice_down_anew(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        world.erp.faults.plan("post_delivery", *[Unavailable("down", reason="ERP_UNAVAILABLE")] * 6)
        order_id = await world.submit(an_order("SO-1", ("CRATE", 100)))
        await world.run_while(order_id, lambda shown: shown.state != S.ORDER_STATE_BILLABLE)
        await claim(world, order_id, 10)
        await world.run_until_settled([order_id])
        shown = await world.order(order_id)
        assert quantities(shown, "invoiced") == ["90"]
        assert shown.claims[0].state == ClaimState.CLAIM_STATE_TAKEN_IN
        assert not world.erp.credits
        assert world.erp.postings[order_id] == 1


@pytest.mark.parametrize("seed", range(3))
async def test_a_credit_through_faults_is_posted_once(tmp_path: Path, seed: int) -> None:
    async with World.opened(tmp_path, seed=seed) as world:
        order_id = await world.submit(an_order("SO-1", ("CRATE", 100)))
        await world.run_until_settled([order_id])
        world.erp.faults.share = world.fleet.faults.share = 0.3
        claim_id = await claim(world, order_id, 10)
        await decide(world, order_id, claim_id, ClaimState.CLAIM_STATE_APPROVED)
        await world.run_until_settled([order_id])
        assert len(world.erp.credits) == 1
        assert len(world.erp.received) == 1
        assert quantities(await world.order(order_id), "returned") == ["10"]


async def test_an_erp_that_refuses_a_credit_waits_for_a_person(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        order_id = await world.submit(an_order("SO-1", ("CRATE", 100)))
        await world.run_until_settled([order_id])
        world.erp.faults.plan("post_credit_memo", FailedPrecondition("the period is closed", reason="ERP_REFUSED"))
        claim_id = await claim(world, order_id, 10)
        await decide(world, order_id, claim_id, ClaimState.CLAIM_STATE_APPROVED)
        await world.run_for(timedelta(minutes=10), [order_id])
        assert "the period is closed" in await world.parked(order_id)
        await told(world, order_id, ExceptionKind.EXCEPTION_KIND_ERP_POSTING_FAILED)
        for _ in range(3):
            stuck = await world.open_exception(order_id)
            if stuck:
                await world.settle(stuck)
        await world.run_until_settled([order_id])
        assert world.erp.credited(order_id) == {"1": 10}


async def test_goods_that_are_brought_once_more_are_billed_whole(tmp_path: Path) -> None:
    policy = a_policy(rejection=RejectionPolicy(disposition=Disposition.DISPOSITION_RESHIP))
    async with World.opened(tmp_path, policy=policy) as world:
        order_id = await world.submit(an_order("SO-1", ("CRATE", 100)))
        world.refused[order_id] = 10
        await world.run_until_settled([order_id])
        shown = await world.order(order_id)
        assert (quantities(shown, "invoiced"), quantities(shown, "rejected")) == (["100"], ["10"])
        assert len(shown.load_ids) == 2
        assert not world.erp.received


@pytest.mark.parametrize("disposition", [Disposition.DISPOSITION_DESTROY, Disposition.DISPOSITION_CREDIT_ONLY])
async def test_goods_that_stay_where_they_are_need_no_load(tmp_path: Path, disposition: Disposition.ValueType) -> None:
    policy = a_policy(rejection=RejectionPolicy(disposition=disposition))
    async with World.opened(tmp_path, policy=policy) as world:
        order_id = await world.submit(an_order("SO-1", ("CRATE", 100)))
        world.refused[order_id] = 10
        await world.run_until_settled([order_id])
        shown = await world.order(order_id)
        assert (quantities(shown, "invoiced"), len(shown.load_ids)) == (["90"], 1)
        assert not world.erp.received


async def gone(world: World, order_id: str) -> None:
    """Let the vehicle that brought an order leave it without a proof, and end its way."""
    world.silent.add(order_id)
    await world.run_for(timedelta(hours=1), [order_id])
    carried = (await world.order(order_id)).load_ids[0]
    found = (await world.orchestrator.desk.journal.find(load.DECIDER, carried)).state.load
    assert found is not None
    assert found.state == LoadState.LOAD_STATE_COMPLETED


async def test_goods_refused_by_a_late_proof_are_fetched_by_another_load(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        order_id = await world.submit(an_order("SO-1", ("CRATE", 100)))
        world.refused[order_id] = 10
        await gone(world, order_id)
        world.fleet.full = 2
        await world.prove_late(order_id)
        await world.run_until_settled([order_id], rounds=2000)
        shown = await world.order(order_id)
        assert (quantities(shown, "invoiced"), quantities(shown, "returned")) == (["90"], ["10"])
        assert len(shown.load_ids) == 2
        fetching = (await world.orchestrator.desk.journal.find(load.DECIDER, shown.load_ids[1])).state.load
        assert fetching is not None
        assert [stop.location.name for stop in fetching.stops] == ["Dock", "Warehouse"]
        # The ERP hears of the dispatch of its sale once, and not of the one that fetches goods.
        assert {load_id for _, load_id in world.erp.confirmed} == {shown.load_ids[0]}


async def test_a_person_decides_otherwise_than_the_policy_until_the_goods_travel(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        order_id = await world.submit(an_order("SO-1", ("CRATE", 100)))
        world.refused[order_id] = 10
        await gone(world, order_id)
        world.fleet.full = 1000
        await world.prove_late(order_id)
        waiting = await world.run_while(order_id, lambda shown: not shown.dispositions)
        decided = GoodsDisposition()
        decided.CopyFrom(waiting.dispositions[0])
        assert (decided.disposition, decided.load_id) == (Disposition.DISPOSITION_RETURN, "")
        decided.disposition = Disposition.DISPOSITION_DESTROY
        decided.decided_by = "ines"
        await world.wish(order_id, DisposeGoods(disposition=decided))
        await world.run_until_settled([order_id])
        shown = await world.order(order_id)
        assert (quantities(shown, "invoiced"), len(shown.load_ids)) == (["90"], 1)
        assert not world.erp.received


async def test_goods_that_do_not_come_back_in_time_are_told_of(tmp_path: Path) -> None:
    policy = a_policy(rejection=RejectionPolicy(return_within=Duration(seconds=3600)))
    async with World.opened(tmp_path, policy=policy) as world:
        order_id = await world.submit(an_order("SO-1", ("CRATE", 100)))
        world.refused[order_id] = 10
        await world.run_while(order_id, lambda shown: not shown.dispositions)
        world.silent.add(order_id)
        await world.run_for(timedelta(hours=3), [order_id])
        await told(world, order_id, ExceptionKind.EXCEPTION_KIND_RETURN_OVERDUE)
        await world.prove_late(order_id)
        await world.run_until_settled([order_id])
        assert world.erp.returned(order_id) == {"1": 10}


async def test_so_little_is_missing_that_nobody_is_asked(tmp_path: Path) -> None:
    policy = a_policy(rejection=RejectionPolicy(short_tolerance_permille=20))
    policy.bill_accepted_after_rejection = False
    async with World.opened(tmp_path, policy=policy) as world:
        order_id = await world.submit(an_order("SO-1", ("CRATE", 100)))
        world.missing[order_id] = 2
        await world.run_until_settled([order_id])
        assert quantities(await world.order(order_id), "invoiced") == ["98"]
        assert not await exceptions(world, order_id, ExceptionKind.EXCEPTION_KIND_SHORTAGE)


async def test_more_than_ordered_is_told_of_and_not_billed(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        order_id = await world.submit(an_order("SO-1", ("CRATE", 100)))
        world.missing[order_id] = -3
        await world.run_until_settled([order_id])
        assert quantities(await world.order(order_id), "invoiced") == ["100"]
        await told(world, order_id, ExceptionKind.EXCEPTION_KIND_OVERAGE)

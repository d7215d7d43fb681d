"""From a planned load to a carrier that has it, and on to the invoice: everything of the orchestrator but the road."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from gladhand import ids
from gladhand.decider import Rejected
from gladhand.errors import FailedPrecondition, InvalidArgument
from logistics.dispatch.v1 import TenderAnswer
from logistics.exception.v1 import ExceptionKind, ExceptionState
from logistics.load.v1 import (
    AnswerTender,
    AwardTender,
    CarrierAnswer,
    Load,
    LoadState,
    TenderOffer,
    TenderState,
    WithdrawTenders,
)
from logistics.order.v1 import EndOrder, OrderState
from logistics.process.v1 import CarrierTerms, ProcessPolicy, TenderMode, TenderPolicy
from logistics.type.v1 import Money
from services.orchestrator.deciders import load
from services.orchestrator.deciders.load import State
from services.orchestrator.deciders.load.tendering import counted
from services.orchestrator.journal import Cause
from tests.simulation.world import REGION, World, an_order

SWFT, MGCT, ODFL = "SWFT", "MGCT", "ODFL"
WATERFALL = TenderMode.TENDER_MODE_WATERFALL
FIRST, BEST = TenderMode.TENDER_MODE_BROADCAST_FIRST, TenderMode.TENDER_MODE_BROADCAST_BEST
ACCEPT, DECLINE = CarrierAnswer.CARRIER_ANSWER_ACCEPTED, CarrierAnswer.CARRIER_ANSWER_DECLINED
COUNTER, CONDITION = CarrierAnswer.CARRIER_ANSWER_COUNTERED, CarrierAnswer.CARRIER_ANSWER_CONDITIONAL


def usd(units: int) -> Money:
    return Money(currency="USD", units=units)


def policy(mode: TenderMode.ValueType, *carriers: str, tolerance: int = 0, fall_back: bool = False) -> ProcessPolicy:
    return ProcessPolicy(
        name="truckload",
        version=1,
        bill_accepted_after_rejection=True,
        wave_delay=Duration(seconds=2),
        tender=TenderPolicy(
            mode=mode,
            carriers=[CarrierTerms(carrier_scac=carrier, rate=usd(900)) for carrier in carriers],
            respond_within=Duration(seconds=1800),
            counter_tolerance_permille=tolerance,
            fall_back_to_own_fleet=fall_back,
        ),
    )


@dataclass
class Desk:
    """What carriers and people do to the load of one order."""

    world: World
    order_id: str
    asked: int = 0

    async def load(self) -> Load:
        await self.world.quiet()
        (load_id,) = (await self.world.order(self.order_id)).load_ids
        found = (await self.world.orchestrator.desk.journal.find(load.DECIDER, load_id)).state.load
        assert found is not None
        return found

    async def until(self, state: str, *, steps: int = 60, step: timedelta = timedelta(seconds=1)) -> Load:
        """Let time pass, with nobody looking after lost timers, until the load is in a state."""
        for _ in range(steps):
            if (await self.world.order(self.order_id)).load_ids:
                found = await self.load()
                if LoadState.Name(found.state) == f"LOAD_STATE_{state}":
                    return found
            self.world.clock.advance(step)
            await self.world.quiet()
        raise AssertionError(f"never {state}, but {LoadState.Name((await self.load()).state)}")

    async def says(self, carrier: str, answer: CarrierAnswer.ValueType, *, rate: int = 0, conditions: str = "") -> bool:
        """Let a carrier answer its newest offer; return whether the answer counts."""
        found = await self.load()
        own = [each for each in found.tenders if each.carrier_scac == carrier]
        wish = AnswerTender(
            tender_id=own[-1].tender_id, carrier_scac=carrier, answer=answer, conditions=conditions, vehicle_id="T-77"
        )
        if rate:
            wish.counter_rate.CopyFrom(usd(rate))
        state = await self.tell(wish)
        return counted(state, wish)

    async def tell(self, wish: Message) -> State:
        self.asked += 1
        cause = Cause(request_id=ids.derive(self.order_id, "desk", str(self.asked)), region=REGION)
        load_id = (await self.load()).load_id
        outcome = await self.world.orchestrator.desk.journal.load(load_id, wish, cause)
        await self.world.quiet()
        return outcome.state

    async def exceptions(self) -> list[str]:
        """Kinds of the open exceptions about the load as the read model shows them."""
        return await open_about(self.world, (await self.load()).load_id)

    async def eventually_told(self, *kinds: str) -> None:
        for _ in range(200):
            if await self.exceptions() == sorted(kinds):
                return
            await asyncio.sleep(0.01)
        assert await self.exceptions() == sorted(kinds)

    async def invoiced(self) -> None:
        """Drive to the end and check that it was billed once."""
        await self.world.run_until_settled([self.order_id])
        assert (await self.world.order(self.order_id)).state == OrderState.ORDER_STATE_INVOICED
        assert self.world.erp.postings == {self.order_id: 1}


async def open_about(world: World, load_id: str) -> list[str]:
    page = await world.read_model.exceptions(page_size=100, states=[ExceptionState.EXCEPTION_STATE_OPEN])
    mine = [each.kind for each in page.items if each.load_id == load_id]
    return sorted(ExceptionKind.Name(kind).removeprefix("EXCEPTION_KIND_") for kind in mine)


async def nothing_open(world: World, load_id: str) -> None:
    for _ in range(200):
        if not await open_about(world, load_id):
            return
        await asyncio.sleep(0.01)
    assert await open_about(world, load_id) == []


async def begun(world: World) -> Desk:
    return Desk(world, await world.submit(an_order("S-1")))


def offers(found: Load) -> dict[str, str]:
    return {o.carrier_scac: TenderState.Name(o.state).removeprefix("TENDER_STATE_") for o in found.tenders}


def agreed(found: Load) -> TenderOffer:
    (winner,) = [each for each in found.tenders if each.state == TenderState.TENDER_STATE_ACCEPTED]
    return winner


async def test_a_waterfall_goes_through_a_no_and_a_silence_to_a_yes_and_on_to_the_invoice(tmp_path: Path) -> None:
    async with World.opened(tmp_path, policy=policy(WATERFALL, SWFT, MGCT, ODFL)) as world:
        desk = await begun(world)
        assert offers(await desk.until("TENDERED")) == {SWFT: "SENT"}
        assert await desk.says(SWFT, DECLINE)
        assert offers(await desk.until("TENDERED")) == {SWFT: "DECLINED", MGCT: "SENT"}
        await desk.eventually_told("TENDER_DECLINED")

        world.clock.advance(timedelta(minutes=29))
        await world.quiet()
        assert offers(await desk.load())[MGCT] == "SENT"
        world.clock.advance(timedelta(minutes=1))
        found = await desk.until("TENDERED", steps=5)
        assert offers(found) == {SWFT: "DECLINED", MGCT: "EXPIRED", ODFL: "SENT"}
        await desk.eventually_told("TENDER_DECLINED", "TENDER_EXPIRED")
        assert world.fleet.offered[found.load_id] == [SWFT, MGCT, ODFL]

        assert not await desk.says(MGCT, ACCEPT)
        assert await desk.says(ODFL, ACCEPT)
        found = await desk.until("DISPATCHED")
        assert (found.carrier_scac, agreed(found).agreed_rate) == (ODFL, usd(900))
        assert found.assignments[-1].vehicle_id == "T-77"
        await desk.eventually_told()
        await desk.invoiced()


async def test_own_fleet_loads_ask_nobody(tmp_path: Path) -> None:
    async with World.opened(tmp_path) as world:
        desk = await begun(world)
        found = await desk.until("DISPATCHED")
        assert (list(found.tenders), found.carrier_scac, world.fleet.offered) == ([], "", {})
        await desk.invoiced()


async def test_a_broadcast_gives_the_load_to_the_first_that_takes_it(tmp_path: Path) -> None:
    async with World.opened(tmp_path, policy=policy(FIRST, SWFT, MGCT, ODFL)) as world:
        desk = await begun(world)
        assert offers(await desk.until("TENDERED")) == {SWFT: "SENT", MGCT: "SENT", ODFL: "SENT"}
        assert await desk.says(MGCT, ACCEPT)
        found = await desk.until("DISPATCHED")
        assert offers(found) == {SWFT: "WITHDRAWN", MGCT: "ACCEPTED", ODFL: "WITHDRAWN"}
        await desk.invoiced()


async def test_a_broadcast_for_the_best_waits_for_all_and_takes_the_cheapest(tmp_path: Path) -> None:
    async with World.opened(tmp_path, policy=policy(BEST, SWFT, MGCT, ODFL)) as world:
        desk = await begun(world)
        await desk.until("TENDERED")
        assert await desk.says(SWFT, ACCEPT)
        assert await desk.says(MGCT, COUNTER, rate=850)
        assert offers(await desk.load()) == {SWFT: "BID", MGCT: "COUNTERED", ODFL: "SENT"}
        assert await desk.says(ODFL, DECLINE)
        found = await desk.until("DISPATCHED")
        assert (found.carrier_scac, agreed(found).agreed_rate) == (MGCT, usd(850))
        assert offers(found) == {SWFT: "WITHDRAWN", MGCT: "ACCEPTED", ODFL: "DECLINED"}
        await desk.invoiced()


async def test_a_broadcast_for_the_best_is_decided_when_the_time_is_up(tmp_path: Path) -> None:
    async with World.opened(tmp_path, policy=policy(BEST, SWFT, MGCT)) as world:
        desk = await begun(world)
        await desk.until("TENDERED")
        assert await desk.says(MGCT, ACCEPT)
        world.clock.advance(timedelta(minutes=30))
        found = await desk.until("DISPATCHED", steps=10)
        assert offers(found) == {SWFT: "EXPIRED", MGCT: "ACCEPTED"}


@pytest.mark.parametrize("seed", range(4))
async def test_of_two_that_accept_in_the_same_moment_one_has_the_load(tmp_path: Path, seed: int) -> None:
    async with World.opened(tmp_path, seed=seed, policy=policy(FIRST, SWFT, MGCT, ODFL)) as world:
        desk = await begun(world)
        await desk.until("TENDERED")
        carriers = [SWFT, MGCT, ODFL]
        world.dice.shuffle(carriers)
        won = await asyncio.gather(*(desk.says(carrier, ACCEPT) for carrier in carriers))
        assert sorted(won) == [False, False, True]
        found = await desk.until("DISPATCHED")
        assert found.carrier_scac == carriers[won.index(True)]
        assert sorted(offers(found).values()) == ["ACCEPTED", "WITHDRAWN", "WITHDRAWN"]


async def test_a_counter_offer_within_the_tolerance_needs_no_person(tmp_path: Path) -> None:
    async with World.opened(tmp_path, policy=policy(WATERFALL, SWFT, MGCT, tolerance=50)) as world:
        desk = await begun(world)
        await desk.until("TENDERED")
        assert await desk.says(SWFT, COUNTER, rate=945)
        found = await desk.until("DISPATCHED")
        assert (found.carrier_scac, agreed(found).agreed_rate) == (SWFT, usd(945))


@pytest.mark.parametrize(("answer", "rate", "words"), [(COUNTER, 946, ""), (CONDITION, 0, "tail lift at the dock")])
async def test_a_counter_offer_beyond_it_and_any_condition_wait_for_a_person_who_takes_it(
    tmp_path: Path, answer: CarrierAnswer.ValueType, rate: int, words: str
) -> None:
    async with World.opened(tmp_path, policy=policy(WATERFALL, SWFT, MGCT, tolerance=50)) as world:
        desk = await begun(world)
        await desk.until("TENDERED")
        assert await desk.says(SWFT, answer, rate=rate, conditions=words)
        found = await desk.until("COUNTERED")
        await desk.eventually_told("TENDER_COUNTERED")
        await desk.tell(AwardTender(tender_id=found.tenders[0].tender_id, note="it is urgent"))
        found = await desk.until("DISPATCHED")
        assert agreed(found).agreed_rate == usd(rate or 900)
        await desk.eventually_told()


async def test_a_counter_offer_that_a_person_refuses_leads_to_the_next_carrier(tmp_path: Path) -> None:
    async with World.opened(tmp_path, policy=policy(WATERFALL, SWFT, MGCT)) as world:
        desk = await begun(world)
        await desk.until("TENDERED")
        assert await desk.says(SWFT, COUNTER, rate=2000)
        found = await desk.until("COUNTERED")
        await desk.tell(WithdrawTenders(tender_ids=[found.tenders[0].tender_id], reason="too dear"))
        assert offers(await desk.until("TENDERED")) == {SWFT: "WITHDRAWN", MGCT: "SENT"}
        await desk.eventually_told()


async def test_when_nobody_is_left_a_person_finds_somebody(tmp_path: Path) -> None:
    async with World.opened(tmp_path, policy=policy(WATERFALL, SWFT)) as world:
        desk = await begun(world)
        await desk.until("TENDERED")
        assert await desk.says(SWFT, DECLINE)
        found = await desk.until("TENDER_DECLINED")
        await desk.eventually_told("TENDERS_EXHAUSTED", "TENDER_DECLINED")

        cause = Cause(request_id=ids.derive(desk.order_id, "by hand"), region=REGION)
        terms = CarrierTerms(carrier_scac=ODFL, rate=usd(1200))
        await world.orchestrator.desk.tendering.offer_by_hand(found, terms, cause)
        assert offers(await desk.until("TENDERED")) == {SWFT: "DECLINED", ODFL: "SENT"}
        await desk.eventually_told("TENDER_DECLINED")
        world.clock.advance(timedelta(minutes=30))
        await desk.until("TENDER_EXPIRED", steps=10)
        await desk.eventually_told("TENDERS_EXHAUSTED", "TENDER_DECLINED", "TENDER_EXPIRED")

        await desk.tell(WithdrawTenders(reason="our own truck is back", own_fleet=True))
        found = await desk.until("DISPATCHED")
        assert (found.carrier_scac, found.assignments[-1].vehicle_id) == ("", "truck-1")
        await desk.eventually_told()
        await desk.invoiced()


async def test_the_own_fleet_drives_what_nobody_takes_where_the_policy_says_so(tmp_path: Path) -> None:
    async with World.opened(tmp_path, policy=policy(WATERFALL, SWFT, fall_back=True)) as world:
        desk = await begun(world)
        await desk.until("TENDERED")
        assert await desk.says(SWFT, DECLINE)
        found = await desk.until("DISPATCHED")
        assert (found.own_fleet_chosen, found.carrier_scac) == (True, "")
        await desk.eventually_told()
        await desk.invoiced()


async def cancelled_while(world: World, prepare: Callable[[Desk], Awaitable[object]]) -> Load:
    desk = await begun(world)
    await desk.until("TENDERED")
    await prepare(desk)
    (load_id,) = (await world.order(desk.order_id)).load_ids
    await world.wish(desk.order_id, EndOrder(reason="not wanted"))
    await world.run_until_settled([desk.order_id])
    assert (await world.order(desk.order_id)).state == OrderState.ORDER_STATE_CANCELLED
    found = (await world.orchestrator.desk.journal.find(load.DECIDER, load_id)).state.load
    assert found is not None
    assert found.state == LoadState.LOAD_STATE_CANCELLED
    for carrier in (SWFT, MGCT):
        late = AnswerTender(tender_id=_offer(found, carrier).tender_id, carrier_scac=carrier, answer=ACCEPT)
        cause = Cause(request_id=ids.derive(load_id, "late", carrier), region=REGION)
        outcome = await world.orchestrator.desk.journal.load(load_id, late, cause)
        assert outcome.state.load is not None
        assert outcome.state.load.state == LoadState.LOAD_STATE_CANCELLED
    assert world.fleet.live == set()
    return found


def _offer(found: Load, carrier: str) -> TenderOffer:
    return next(each for each in found.tenders if each.carrier_scac == carrier)


async def test_cancelling_the_order_takes_its_offers_back(tmp_path: Path) -> None:
    async def countered(desk: Desk) -> None:
        assert await desk.says(SWFT, COUNTER, rate=5000)
        await desk.eventually_told("TENDER_COUNTERED")

    async with World.opened(tmp_path, policy=policy(FIRST, SWFT, MGCT)) as world:
        found = await cancelled_while(world, countered)
        assert offers(found) == {SWFT: "WITHDRAWN", MGCT: "WITHDRAWN"}
        await nothing_open(world, found.load_id)


async def test_cancelling_after_a_carrier_took_it_asks_for_the_vehicle_back(tmp_path: Path) -> None:
    async def accepted(desk: Desk) -> None:
        assert await desk.says(SWFT, ACCEPT)
        await desk.until("DISPATCHED")

    async with World.opened(tmp_path, policy=policy(FIRST, SWFT, MGCT)) as world:
        found = await cancelled_while(world, accepted)
        assert (offers(found), found.carrier_scac) == ({SWFT: "ACCEPTED", MGCT: "WITHDRAWN"}, SWFT)


async def test_connected_carriers_answer_at_once(tmp_path: Path) -> None:
    async with World.opened(tmp_path, policy=policy(WATERFALL, SWFT, MGCT)) as world:
        world.fleet.connected = {
            SWFT: TenderAnswer.TENDER_ANSWER_DECLINED,
            MGCT: TenderAnswer.TENDER_ANSWER_ACCEPTED,
        }
        desk = await begun(world)
        found = await desk.until("DISPATCHED")
        assert offers(found) == {SWFT: "DECLINED", MGCT: "ACCEPTED"}
        await desk.invoiced()


async def test_a_carrier_that_cannot_be_reached_is_passed_over_and_one_without_a_system_is_not(tmp_path: Path) -> None:
    async with World.opened(tmp_path, policy=policy(WATERFALL, SWFT, MGCT)) as world:
        world.fleet.faults.plan(
            "tender_load",
            FailedPrecondition("the partner is blocked", reason="CONTRACT_VIOLATION"),
            InvalidArgument("no carriers here", field="carrier_scac", reason="NOT_SUPPORTED"),
        )
        desk = await begun(world)
        await desk.until("TENDERED")
        found = await desk.load()
        assert offers(found) == {SWFT: "DELIVERY_FAILED", MGCT: "SENT"}
        assert await desk.says(MGCT, ACCEPT)
        await desk.until("DISPATCHED")


async def test_a_refused_vehicle_of_a_carrier_waits_for_a_person_and_not_for_another_plan(tmp_path: Path) -> None:
    async with World.opened(tmp_path, policy=policy(WATERFALL, SWFT, MGCT)) as world:
        desk = await begun(world)
        await desk.until("TENDERED")
        world.fleet.faults.plan("assign_load", FailedPrecondition("T-77 is ours", reason="VEHICLE_UNAVAILABLE"))
        assert await desk.says(SWFT, ACCEPT)
        found = await desk.until("ACCEPTED")
        assert found.carrier_scac == SWFT
        await desk.eventually_told("PROCESS_STUCK")
        assert await desk.says(SWFT, DECLINE)
        assert offers(await desk.until("TENDERED")) == {SWFT: "DECLINED", MGCT: "SENT"}


async def test_lost_timers_and_outages_cost_time_and_no_offer(tmp_path: Path) -> None:
    async with World.opened(tmp_path, seed=7, share=0.2, policy=policy(WATERFALL, SWFT, MGCT)) as world:
        desk = await begun(world)
        await desk.until("TENDERED", steps=400, step=timedelta(seconds=5))
        await world.stop()
        world.clock.advance(timedelta(minutes=45))
        for _ in range(12):
            await world.orchestrator.watchdog.look()
            world.clock.advance(timedelta(seconds=30))
        await world.start()
        found = await desk.until("TENDERED", steps=100)
        assert offers(found)[SWFT] == "EXPIRED"
        assert offers(found)[MGCT] in {"DRAFT", "SENT"}
        assert await desk.says(MGCT, ACCEPT)
        await desk.invoiced()


async def test_a_refusal_names_the_offer_that_is_closed(tmp_path: Path) -> None:
    async with World.opened(tmp_path, policy=policy(FIRST, SWFT, MGCT)) as world:
        desk = await begun(world)
        found = await desk.until("TENDERED")
        await desk.says(SWFT, ACCEPT)
        with pytest.raises(Rejected) as refusal:
            await desk.tell(AwardTender(tender_id=_offer(found, MGCT).tender_id))
        assert refusal.value.reason == "TENDER_CLOSED"
        assert refusal.value.metadata["state"] == "TENDER_STATE_WITHDRAWN"

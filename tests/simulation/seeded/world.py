"""One seed, one run: the orchestrator on the model broker, the people and vehicles around it, and what goes wrong."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import random
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, TypeVar, cast

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from gladhand import ids
from gladhand.bus.deadletters import DeadLetters
from gladhand.calls import Call, enter
from gladhand.clock import Clock
from gladhand.errors import Conflict, GladhandError, Internal, NotFound, Unavailable
from gladhand.security.principal import ANYBODY
from logistics.exception.v1 import Exception as LogisticsException
from logistics.exception.v1 import ExceptionEvent, ExceptionState, Gate, Hold, HoldKind
from logistics.orchestrator.v1 import (
    CancelOrderRequest,
    PlaceHoldRequest,
    ResolveExceptionRequest,
    SubmitOrderRequest,
)
from logistics.order.v1 import OrderState
from logistics.process.v1 import ProcessPolicy
from services.orchestrator.composition import Ports, compose
from services.orchestrator.deciders import exception
from services.orchestrator.erps import ErpGateways
from services.orchestrator.policies import FixedPolicies
from services.orchestrator.read_model import Projector, ReadModel, following
from services.orchestrator.servicer import OrchestratorServicer
from services.orchestrator.submission import order_id_of
from tests.simulation.outside import LedgerErp, YardFleet
from tests.simulation.seeded.broker import Chaos, SeededBroker, SeededBus, SeededStore, SkewedClock
from tests.simulation.seeded.checker import Broken, Checker
from tests.simulation.seeded.database import StepDatabase
from tests.simulation.seeded.far import FarFaults
from tests.simulation.seeded.scheduler import LIFE, Life, NothingLeft, Scheduler
from tests.simulation.seeded.street import Street
from tests.simulation.world import an_order

T = TypeVar("T")

_OUTSIDE = contextvars.Context()
_TROUBLE_S = 2 * 3600.0
"""Virtual seconds during which things go wrong; then the world heals and everything must come to rest."""
_ENDED = frozenset(
    {
        OrderState.ORDER_STATE_INVOICED,
        OrderState.ORDER_STATE_CLOSED,
        OrderState.ORDER_STATE_CANCELLED,
        OrderState.ORDER_STATE_REJECTED,
    }
)


@dataclass(slots=True)
class Report:
    """What became of a seed."""

    seed: int
    orders: int = 0
    events: int = 0
    steps: int = 0
    virtual_s: float = 0.0
    digest: str = ""
    faults: Counter[str] = field(default_factory=Counter)
    checked: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    failure: str = ""


class SeededWorld(Street):
    """Everything of one run."""

    def __init__(self, seed: int, *, orders: int = 10, faults: bool = True, trace: bool = False) -> None:
        self.dice = random.Random(seed)
        random.seed(seed)
        self.report = Report(seed)
        self.scheduler = Scheduler(random.Random(seed + 1))  # type: ignore[abstract]
        self.chaos = Chaos(random.Random(seed + 2), self.dice.choice([0.002, 0.01, 0.03]) if faults else 0.0)
        self.faulty = faults
        self.trace = trace
        self.broker = SeededBroker(self.scheduler, self.chaos, cluster=self.dice.random() < 0.5)
        self.checker = Checker()
        self.broken: list[Broken] = []
        self.broker.on_stored = self._stored
        far = FarFaults(self.chaos, self.scheduler)
        self.far = far
        self.erp = LedgerErp(far)
        self.fleet = YardFleet(cast("Clock", self._clock(40)), far)
        self.read_model = ReadModel(StepDatabase())
        self.orders = orders
        self.lives: list[tuple[Life, OrchestratorServicer]] = []
        self.answered: set[str] = set()
        self.driving: set[str] = set()
        self.submitted = self.sold = 0
        self._births = 0

    def _clock(self, skew_s: float) -> SkewedClock:
        return SkewedClock(self.scheduler, self.dice.uniform(-skew_s, skew_s) if self.faulty else 0.0)

    def _stored(self, stream: str, message: Any) -> None:
        self.report.events += 1
        if self.trace:
            print(f"{self.scheduler.time():10.2f} {stream:12} {message.sequence:5} {message.subject}")  # noqa: T201
        try:
            self.checker.stored(stream, message)
        except Broken as broken:
            self.broken.append(broken)
            raise

    # ---- the process ---------------------------------------------------------------------------------------------

    def begin_life(self) -> None:
        """Start an orchestrator."""
        self._births += 1
        life = Life(self._births)
        context = contextvars.Context()
        context.run(LIFE.set, life)
        clock = cast("Clock", self._clock(1.5))
        store, bus = SeededStore(self.broker), SeededBus(self.broker, cast("SkewedClock", clock))
        ports = Ports(
            store=store,
            bus=bus,
            clock=clock,
            erps=ErpGateways.only(self.erp),
            fleet=self.fleet,
            read_model=self.read_model,
        )
        policy = ProcessPolicy(
            name="trial", version=3, bill_accepted_after_rejection=True, wave_delay=Duration(seconds=2)
        )
        orchestrator = compose(ports, FixedPolicies(policy))
        self.lives.append((life, OrchestratorServicer(orchestrator.desk)))

        async def run() -> None:
            stopping = asyncio.Event()
            self.scheduler.create_task(Projector(store, self.read_model).run(stopping))
            self.scheduler.create_task(orchestrator.watchdog.run(stopping))
            for subscription in orchestrator.subscriptions:
                await bus.subscribe(subscription)

        self.scheduler.create_task(run(), context=context)

    def crash(self) -> None:
        """Kill every orchestrator between two steps, and start another one."""
        for life, _ in self.lives:
            life.dead = True
        self.lives.clear()
        self.begin_life()

    async def ask(self, method: str, request: Message) -> Any:
        """Call the orchestrator as a client does: again with the same request until there is an answer.

        Returns the answer, or the error where it is refused for good.
        """
        while True:
            life, servicer = self.lives[-1]
            context = contextvars.Context()
            context.run(LIFE.set, life)
            answer: asyncio.Future[Any] = self.scheduler.create_future()
            self.scheduler.create_task(self._serve(servicer, method, request, answer), context=context)
            try:
                return await asyncio.wait_for(answer, 20)
            except (TimeoutError, Unavailable, Conflict, Internal, NotFound):
                await asyncio.sleep(1 + self.dice.random() * 5)
            except GladhandError as refusal:
                return refusal

    async def _serve(
        self, servicer: OrchestratorServicer, method: str, request: Message, answer: asyncio.Future[Any]
    ) -> None:
        enter(Call(cast("Any", SimpleNamespace()), "simulation-call", (), None, caller=ANYBODY))
        try:
            result = await getattr(servicer, method)(request, None)
        except Broken:
            raise
        except Exception as error:  # noqa: BLE001 - what is no refusal is a fault of the service, and fails the run
            if not isinstance(error, GladhandError):
                self.scheduler.strange.append({"exception": repr(error), "method": method})
            if not answer.done():
                answer.set_exception(error)
        else:
            if not answer.done():
                answer.set_result(result)

    # ---- customers and people ------------------------------------------------------------------------------------

    async def sell(self, number: int) -> None:
        """Submit an order, perhaps twice; perhaps hold it; perhaps cancel it."""
        dice = self.dice
        await asyncio.sleep(dice.random() * 1800)
        lines = [("CRATE", dice.randint(1, 9)), ("PALLET", dice.randint(1, 4))][: dice.randint(1, 2)]
        sale = an_order(f"SO-{number}", *lines)
        order_id = order_id_of(sale.erp_instance, sale.references[0].value)
        for attempt in range(dice.choice([1, 1, 2])):
            request = SubmitOrderRequest(request_id=ids.derive(order_id, "submit", str(attempt)), order=sale)
            answer = await self.ask("SubmitOrder", request)
            if not isinstance(answer, GladhandError):
                self.answered.add(order_id)
        self.submitted += 1
        chance = dice.random()
        await asyncio.sleep(dice.random() * 3600)
        if chance < 0.2:
            await self.ask(
                "CancelOrder",
                CancelOrderRequest(
                    request_id=ids.derive(order_id, "cancel"), order_id=order_id, reason="no longer needed"
                ),
            )
        elif chance < 0.4:
            gates = [dice.choice([Gate.GATE_PLANNING, Gate.GATE_DISPATCH, Gate.GATE_BILLING])]
            held = Hold(kind=HoldKind.HOLD_KIND_FINANCE, gates=gates, order_id=order_id, reason="looked at")
            held.placed_by = "ines"
            held.expire_time.FromDatetime(self.broker.clock.now() + timedelta(seconds=dice.randint(60, 3600)))
            await self.ask("PlaceHold", PlaceHoldRequest(request_id=ids.derive(order_id, "hold"), hold=held))
        self.sold += 1

    async def work_off_exceptions(self) -> None:
        """Put right what is open, one after the other, as people do."""
        while True:
            await asyncio.sleep(120 + self.dice.random() * 120)
            for found in list(self._open_exceptions()):
                request = ResolveExceptionRequest(
                    request_id=ids.derive(found.exception_id, "resolve", str(found.version)),
                    exception_id=found.exception_id,
                    code="DONE",
                    note="put right",
                )
                await self.ask("ResolveException", request)

    def _open_exceptions(self) -> Iterator[LogisticsException]:
        """What nobody has put right yet."""
        for exception_id in self._ids("EXCEPTIONS", "exception"):
            found = self._fold(exception.DECIDER, ExceptionEvent, "EXCEPTIONS", "exception", exception_id).exception
            if found is not None and found.state == ExceptionState.EXCEPTION_STATE_OPEN:
                yield found

    # ---- the run -------------------------------------------------------------------------------------------------

    async def trouble(self) -> None:
        """Crash, hang and cut off at moments that the seed decides, until the world heals."""
        inject = self.chaos.injected
        while self.scheduler.time() < _TROUBLE_S:
            await asyncio.sleep(self.dice.expovariate(1 / 400))
            kind = self.dice.choice(["crash", "crash", "hang", "broker", "partition", "far"])
            inject[{
                "crash": "orchestrator killed", "hang": "orchestrator hung, another takes over",
                "broker": "broker restarted", "partition": "partition from the broker", "far": "gateways cut off",
            }[kind]] += 1  # fmt: skip
            if kind == "crash":
                at = self.scheduler.steps + self.dice.randrange(400)
                while self.scheduler.steps < at and self.scheduler.time() < _TROUBLE_S:
                    await asyncio.sleep(0)
                self.crash()
            elif kind == "hang":
                life = self.lives[-1][0]
                life.hung = True
                self.begin_life()
                await asyncio.sleep(self.dice.random() * 120)
                self.scheduler.wake(life)
            elif kind == "far":
                self.far.cut_until["all"] = self.scheduler.time() + self.dice.random() * 300
            else:
                if kind == "broker":
                    self.broker.crash()
                self.broker.outage = True
                await asyncio.sleep(self.dice.random() * 60 if kind == "partition" else 1)
                self.broker.heal()

    async def _main(self) -> None:
        self._visited = set()
        self.begin_life()
        for number in range(self.orders):
            self.scheduler.create_task(self.sell(number))
        self.scheduler.create_task(self.work_off_exceptions())
        self.scheduler.create_task(self.dispatch_drivers())
        self.scheduler.create_task(self._redrive())
        if self.faulty:
            self.scheduler.create_task(self.trouble())
        end = _TROUBLE_S if self.faulty else 0.0
        while not self._rested():
            await asyncio.sleep(60)
            if self.scheduler.time() > end:
                self.chaos.share = 0.0
            if self.scheduler.time() > end + 12 * 3600:
                break
        self.chaos.share = 0.0
        await asyncio.sleep(1200)

    def _rested(self) -> bool:
        if self.sold < self.orders or self.broken:
            return bool(self.broken)
        found = [self.order_state(order_id) for order_id in sorted(self.answered)]
        if any(each is None or each.state not in _ENDED for each in found):
            return False
        return not self.fleet.live and not list(self._open_exceptions())

    async def _redrive(self) -> None:
        """Give dead letters back to who failed, as an operator does once the cause is gone."""
        letters = DeadLetters(cast("Any", SeededBus(self.broker, self._clock(0))), SeededStore(self.broker))
        while True:
            await asyncio.sleep(300)
            if not self.broker.outage and not self.chaos.share:
                for letter in await letters.list():
                    self.report.faults["dead letter sent back"] += 1
                    await letters.replay(letter.letter_id)

    def run(self) -> Report:
        """Run to the end and return the report; `failure` tells of what does not hold."""
        report = self.report
        gc.disable()
        try:
            self.scheduler.run(self._main())
            if self.broken:
                raise self.broken[0]
            if self.scheduler.strange:
                raise Broken(f"nobody caught {self.scheduler.strange[0]}")
            self.checker.finish(self.erp, self.fleet, self.answered)
        except (Broken, NothingLeft) as failure:
            report.failure = f"{type(failure).__name__}: {failure}"
        finally:
            gc.enable()
        report.orders = self.submitted
        report.steps, report.virtual_s = self.scheduler.steps, self.scheduler.time()
        report.digest = self.checker.digest()
        report.faults.update(self.chaos.injected)
        report.checked = self.checker.checked
        for order_id in self.answered:
            found = self.order_state(order_id)
            report.ends[OrderState.Name(found.state)[12:] if found is not None else "?"] += 1
        return report


def simulate(seed: int, *, orders: int = 10, faults: bool = True, trace: bool = False) -> Report:
    """Run one seed. The same seed and arguments give the same report, byte for byte."""
    level = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # what goes wrong on purpose is not news
    look_s, following._LOOK_S = following._LOOK_S, 600.0  # type: ignore[misc]
    world = SeededWorld(seed, orders=orders, faults=faults, trace=trace)
    try:
        return world.run()
    finally:
        _sweep(world)
        following._LOOK_S = look_s  # type: ignore[misc]
        logging.disable(level)


def _sweep(world: SeededWorld) -> None:
    """End what was cut off in the middle, now and in order; what it would still do while dying is of no interest."""
    told, sys.unraisablehook = sys.unraisablehook, lambda _: None
    world.broker.on_stored = lambda _stream, _message: None
    for task in world.scheduler.kept:
        with suppress(Exception):
            task.get_coro().close()
    world.scheduler.kept.clear()
    gc.collect()
    sys.unraisablehook = told

"""Events as the orchestrator would record them, told one by one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import NAMESPACE_OID, uuid4, uuid5

from google.protobuf.message import Message

from gladhand.envelope import EnvelopeType, Stamp
from gladhand.log.port import EventStore
from gladhand.testing import VirtualClock
from logistics.exception.v1 import Exception as LogisticsException
from logistics.exception.v1 import ExceptionOpened, Hold, HoldPlaced
from logistics.invoice.v1 import Invoice, InvoiceOpened, InvoicePosted
from logistics.load.v1 import Assignment, Load, LoadAssigned, LoadPlanned, Stop, StopKind, StopTask
from logistics.order.v1 import Order, OrderLine, OrderPlanned, OrderReceived, OrderReleased
from logistics.pod.v1 import PodCaptured, PodLine, ProofOfDelivery
from logistics.process.v1 import FulfilmentBegan, WaveLaid, WaveStarted
from logistics.type.v1 import Actor, ActorKind, ExternalReference, ReferenceType
from services.orchestrator.journal import DECIDERS

ERP = "tryton-us"


def name(word: str) -> str:
    """Return the id that stands for a word."""
    return str(uuid5(NAMESPACE_OID, word))


def reference(kind: ReferenceType.ValueType, value: str) -> ExternalReference:
    """Return the ERP's name of something."""
    return ExternalReference(system=ERP, type=kind, value=value)


class Story:
    """Tells events to a store, each at its time, in any order of aggregates."""

    def __init__(self, store: EventStore, clock: VirtualClock, *, region: str = "us") -> None:
        self.store = store
        self.clock = clock
        self.region = region
        self.actor = Actor(kind=ActorKind.ACTOR_KIND_SERVICE, id="test")
        self._told: dict[tuple[str, str], tuple[int, int]] = {}

    async def tell(self, aggregate: str, aggregate_id: str, body: Message, *, region: str = "") -> Any:
        """Record one event and return it."""
        kind: EnvelopeType[Any] = EnvelopeType.of(DECIDERS[aggregate].envelope)
        version, sequence = self._told.get((aggregate, aggregate_id), (0, 0))
        stamp = Stamp(
            request_id=str(uuid4()),
            region=region or self.region,
            correlation_id=aggregate_id,
            actor=self.actor,
        )
        event = kind.stamp(
            body,
            stamp,
            aggregate_id=aggregate_id,
            event_id=str(uuid4()),
            version=version + 1,
            recorded=self.clock.now(),
        )
        appended = await self.store.append(kind, event, expected=sequence)
        self._told[aggregate, aggregate_id] = (version + 1, appended.sequence)
        return event

    async def receive(
        self, word: str, *, number: str = "", purchase: str = "", region: str = "", customer: str = ""
    ) -> str:
        """Record a new order and return its id; `customer` is its code in the ERP."""
        order = Order(erp_instance=ERP, region=region or self.region, lines=[OrderLine(line_id="1", sku="A")])
        order.references.append(reference(ReferenceType.REFERENCE_TYPE_SALES_ORDER, number or f"SO-{word}"))
        if purchase:
            order.references.append(reference(ReferenceType.REFERENCE_TYPE_PURCHASE_ORDER, purchase))
        if customer:
            order.customer.references.append(reference(ReferenceType.REFERENCE_TYPE_PARTY, customer))
        await self.tell("order", name(word), OrderReceived(order=order), region=region)
        return name(word)

    async def release(self, word: str, **more: str) -> str:
        """Record a new order that is released."""
        order_id = await self.receive(word, **more)
        await self.tell("order", order_id, OrderReleased())
        return order_id

    async def plan(
        self, word: str, *order_ids: str, stops: tuple[str, ...] = (), wave_id: str = "", carrier: str = ""
    ) -> str:
        """Record a new load with one delivery stop for each order and return its id; `carrier` is a SCAC."""
        load = Load(load_id=name(word), region=self.region, plan_version=1, wave_id=wave_id, order_ids=order_ids)
        load.carrier_scac = carrier
        for number, order_id in enumerate(order_ids, 1):
            stop_id = stops[number - 1] if stops else name(f"{word}/{number}")
            task = StopTask(order_id=order_id, line_id="1")
            load.stops.append(Stop(stop_id=stop_id, sequence=number, kind=StopKind.STOP_KIND_DELIVERY, tasks=[task]))
        await self.tell("load", load.load_id, LoadPlanned(load=load))
        return load.load_id

    async def assign(self, load_id: str, vehicle_id: str) -> None:
        """Record that a vehicle was given to a load."""
        await self.tell("load", load_id, LoadAssigned(assignment=Assignment(epoch=1, vehicle_id=vehicle_id)))

    async def journey(self, word: str) -> Mapping[str, str]:
        """Record one of everything around one order; return the ids by aggregate."""
        order_id = await self.release(word)
        ids = {"order": order_id, "fulfilment": order_id}
        ids |= {kind: name(f"{word}-{kind}") for kind in ("wave", "load", "pod", "invoice", "exception", "hold")}
        await self.tell("fulfilment", order_id, FulfilmentBegan(order_id=order_id))
        self.clock.advance(timedelta(seconds=1))
        await self.tell("wave", ids["wave"], WaveStarted(order_ids=[order_id], trigger="timer"))
        await self.plan(f"{word}-load", order_id, wave_id=ids["wave"])
        await self.tell("wave", ids["wave"], WaveLaid())
        await self.tell("order", order_id, OrderPlanned(load_id=ids["load"], line_ids=["1"], complete=True))
        await self.capture(f"{word}-pod", ids["load"], order_id)
        await self.bill(f"{word}-invoice", order_id, f"INV-{word}")
        await self.report(f"{word}-exception", order_id=order_id)
        await self.block(f"{word}-hold", order_id=order_id)
        return ids

    async def capture(self, word: str, load_id: str, order_id: str) -> str:
        """Record a proof of delivery."""
        line = PodLine(order_id=order_id, line_id="1")
        pod = ProofOfDelivery(
            pod_id=name(word), load_id=load_id, stop_id=name("stop"), signer_name="Ann Example", lines=[line]
        )
        await self.tell("pod", pod.pod_id, PodCaptured(pod=pod))
        return pod.pod_id

    async def bill(self, word: str, order_id: str, number: str) -> str:
        """Record an invoice that the ERP posted under a number."""
        invoice = Invoice(
            invoice_id=name(word), order_id=order_id, erp_instance=ERP, region=self.region, currency="USD"
        )
        await self.tell("invoice", invoice.invoice_id, InvoiceOpened(invoice=invoice))
        posted = InvoicePosted(erp_invoice=reference(ReferenceType.REFERENCE_TYPE_INVOICE, number))
        await self.tell("invoice", invoice.invoice_id, posted)
        return invoice.invoice_id

    async def report(self, word: str, **about: str) -> str:
        """Record an exception."""
        exception = LogisticsException(exception_id=name(word), message="late", region=self.region, **about)  # type: ignore[arg-type]
        await self.tell("exception", exception.exception_id, ExceptionOpened(exception=exception))
        return exception.exception_id

    async def block(self, word: str, **what: str) -> str:
        """Record a hold."""
        hold = Hold(hold_id=name(word), reason="customs", region=self.region, **what)  # type: ignore[arg-type]
        await self.tell("hold", hold.hold_id, HoldPlaced(hold=hold))
        return hold.hold_id

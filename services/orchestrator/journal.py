"""The one door through which the orchestrator changes aggregates: commands in, recorded events out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gladhand import ids
from gladhand.clock import Clock
from gladhand.decider import Decider
from gladhand.envelope import EnvelopeType, Stamp
from gladhand.execute import Executor, Loaded, Outcome
from logistics.exception.v1 import (
    ExceptionCommand,
    ExceptionEvent,
    ExcursionCommand,
    ExcursionEvent,
    HoldCommand,
    HoldEvent,
)
from logistics.invoice.v1 import InvoiceCommand, InvoiceEvent, PayableCommand, PayableEvent
from logistics.load.v1 import LoadCommand, LoadEvent
from logistics.order.v1 import OrderCommand, OrderEvent
from logistics.pod.v1 import PodCommand, PodEvent
from logistics.process.v1 import FulfilmentEvent, ProcessPolicy, WaveEvent
from logistics.type.v1 import Actor, ActorKind, Provenance
from services.orchestrator.deciders import (
    exception,
    excursion,
    fulfilment,
    hold,
    invoice,
    load,
    order,
    payable,
    pod,
    wave,
)
from services.orchestrator.policies import Policies, label_of

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E", bound=Message)

SERVICE = Actor(kind=ActorKind.ACTOR_KIND_SERVICE, id="orchestrator")
"""The actor of everything that the orchestrator does by itself."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a command is given: the request, and the event or message behind it."""

    request_id: str
    event_id: str = ""
    """The event or message that caused it; empty lets the aggregate's newest event stand as cause."""
    correlation_id: str = ""
    """Kept only at an aggregate's birth; empty means the aggregate's own id."""
    region: str = ""
    """Needed only at an aggregate's birth."""
    actor: Actor = field(default_factory=lambda: SERVICE)
    occur_time: datetime | None = None
    """When the fact became true, where that is not now."""
    receive_time: datetime | None = None
    provenance: Provenance | None = None
    policy_version: str = ""
    """The policy that asked for it; empty means the one of the order, or the one in force in the region."""

    def step(self, *parts: str) -> Cause:
        """Return the cause of one further step of the same request, with a request id of its own."""
        return replace(self, request_id=ids.derive(self.request_id, *parts))

    def after(self, event: Message | None) -> Cause:
        """Return the same cause with an event of this request as the one behind it, where there is one."""
        event_id: str = getattr(event, "event_id", "")
        return replace(self, event_id=event_id) if event_id else self


class Journal:
    """Loads and commands every aggregate of the orchestrator.

    Every method may raise what `Executor.execute` raises: Rejected, IllegalTransition, Conflict, Unavailable, LogFull.
    """

    def __init__(self, executor: Executor, clock: Clock, policies: Policies) -> None:
        self._executor = executor
        self._clock = clock
        self._policies = policies

    async def order(self, order_id: str, wish: Message, cause: Cause) -> Outcome[order.State, OrderEvent]:
        """Command an order; `wish` is the body of an OrderCommand."""
        command = OrderCommand(order_id=order_id, decide_time=self._now())

        def policy_of(state: order.State) -> str:
            # Whoever asks, an order's events name the policy that the order runs under.
            known = state.order
            if known is not None and known.policy_version:
                return label_of(self._policies.of(known))
            return label_of(self._policies.in_region(cause.region))

        return await self._do(order.DECIDER, order_id, _with_body(command, wish), cause, policy_of)

    async def load(self, load_id: str, wish: Message, cause: Cause) -> Outcome[load.State, LoadEvent]:
        """Command a load; `wish` is the body of a LoadCommand."""
        command = LoadCommand(load_id=load_id, decide_time=self._now())
        return await self._do(load.DECIDER, load_id, _with_body(command, wish), cause)

    async def pod(self, pod_id: str, wish: Message, cause: Cause) -> Outcome[pod.State, PodEvent]:
        """Command a proof of delivery; `wish` is the body of a PodCommand."""
        command = PodCommand(pod_id=pod_id, decide_time=self._now())
        return await self._do(pod.DECIDER, pod_id, _with_body(command, wish), cause)

    async def invoice(self, invoice_id: str, wish: Message, cause: Cause) -> Outcome[invoice.State, InvoiceEvent]:
        """Command an invoice; `wish` is the body of an InvoiceCommand."""
        command = InvoiceCommand(invoice_id=invoice_id, decide_time=self._now())
        return await self._do(invoice.DECIDER, invoice_id, _with_body(command, wish), cause)

    async def payable(self, payable_id: str, wish: Message, cause: Cause) -> Outcome[payable.State, PayableEvent]:
        """Command a carrier's invoice; `wish` is the body of a PayableCommand."""
        command = PayableCommand(payable_id=payable_id, decide_time=self._now())
        return await self._do(payable.DECIDER, payable_id, _with_body(command, wish), cause)

    async def exception(
        self, exception_id: str, wish: Message, cause: Cause
    ) -> Outcome[exception.State, ExceptionEvent]:
        """Command an exception; `wish` is the body of an ExceptionCommand."""
        command = ExceptionCommand(exception_id=exception_id, decide_time=self._now())
        return await self._do(exception.DECIDER, exception_id, _with_body(command, wish), cause)

    async def hold(self, hold_id: str, wish: Message, cause: Cause) -> Outcome[hold.State, HoldEvent]:
        """Command a hold; `wish` is the body of a HoldCommand."""
        command = HoldCommand(hold_id=hold_id, decide_time=self._now())
        return await self._do(hold.DECIDER, hold_id, _with_body(command, wish), cause)

    async def excursion(
        self, excursion_id: str, wish: Message, cause: Cause
    ) -> Outcome[excursion.State, ExcursionEvent]:
        """Command an excursion; `wish` is the body of an ExcursionCommand."""
        command = ExcursionCommand(excursion_id=excursion_id, decide_time=self._now())
        return await self._do(excursion.DECIDER, excursion_id, _with_body(command, wish), cause)

    async def fulfilment(
        self, process_id: str, wish: fulfilment.Command, cause: Cause
    ) -> Outcome[fulfilment.State, FulfilmentEvent]:
        """Command the process of an order, which has the order's id."""
        return await self._do(fulfilment.DECIDER, process_id, wish, cause)

    async def wave(self, wave_id: str, wish: wave.Command, cause: Cause) -> Outcome[wave.State, WaveEvent]:
        """Command a planning wave."""
        return await self._do(wave.DECIDER, wave_id, wish, cause)

    async def policy_of(self, order_id: str, region: str) -> ProcessPolicy:
        """Return the policy under which an order runs; without an order, or an unknown one, the region's."""
        found = (await self.find(order.DECIDER, order_id)).state.order if order_id else None
        return self._policies.in_region(region) if found is None else self._policies.of(found)

    def now(self) -> datetime:
        """Return the time by the clock of the mesh, aware, in UTC."""
        return self._clock.now()

    async def find(self, decider: Decider[S, C, E], aggregate_id: str) -> Loaded[S]:
        """Return an aggregate as it is now; version 0 means that it does not exist."""
        return await self._executor.load(decider, aggregate_id)

    async def _do(
        self,
        decider: Decider[S, C, E],
        aggregate_id: str,
        command: C,
        cause: Cause,
        policy_of: Callable[[S], str] | None = None,
    ) -> Outcome[S, E]:
        stamp = Stamp(
            request_id=cause.request_id,
            region=cause.region,
            correlation_id=cause.correlation_id or aggregate_id,
            causation_id=cause.event_id,
            actor=cause.actor,
            occur_time=cause.occur_time,
            receive_time=cause.receive_time,
            provenance=cause.provenance,
            policy_version=cause.policy_version,
        )
        of_region = label_of(self._policies.in_region(cause.region))
        return await self._executor.execute(
            decider, aggregate_id, command, stamp, policy_of=policy_of or (lambda _: of_region)
        )

    def _now(self) -> Timestamp:
        now = Timestamp()
        now.FromDatetime(self._clock.now())
        return now


DECIDERS: Mapping[str, Decider[Any, Any, Any]] = {
    EnvelopeType.of(decider.envelope).aggregate: decider
    for decider in (
        order.DECIDER,
        load.DECIDER,
        pod.DECIDER,
        invoice.DECIDER,
        payable.DECIDER,
        exception.DECIDER,
        hold.DECIDER,
        fulfilment.DECIDER,
        wave.DECIDER,
        excursion.DECIDER,
    )
}
"""Every aggregate of the orchestrator by the token of its subjects."""


def _with_body(command: C, wish: Message) -> C:
    """Set the one field of the command's `body` that has the type of `wish`."""
    fields: Any = command
    for choice in fields.DESCRIPTOR.oneofs_by_name["body"].fields:
        if choice.message_type is wish.DESCRIPTOR:
            getattr(fields, choice.name).CopyFrom(wish)
            getattr(fields, choice.name).SetInParent()
            return command
    raise TypeError(f"{fields.DESCRIPTOR.name} has no body {wish.DESCRIPTOR.full_name}")

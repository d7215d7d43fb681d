"""What becomes of goods that nobody kept: decided, laid on a load, and come back (domain reference 3.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from google.protobuf.message import Message

from logistics.error.v1 import ErrorReason
from logistics.order.v1 import (
    ClaimState,
    Disposition,
    DispositionOrigin,
    GoodsDisposition,
    LineMovement,
    LineQuantity,
    Order,
    OrderCommand,
    OrderDispositionDecided,
    OrderDispositionLaid,
    OrderDispositionUnlaid,
    OrderReturned,
    OrderState,
)
from services.orchestrator.deciders.order.crediting import find_claim
from services.orchestrator.deciders.order.rules import amount, barred, line_of, present
from services.orchestrator.deciders.order.state import State
from services.orchestrator.deciders.refusal import refused, violated
from services.orchestrator.quantities import ZERO, decimal_of, difference, quantity_of, total

_TRAVELLING = frozenset({Disposition.DISPOSITION_RETURN, Disposition.DISPOSITION_RESHIP})
_SETTLED_CLAIMS = frozenset({ClaimState.CLAIM_STATE_TAKEN_IN, ClaimState.CLAIM_STATE_CREDITED})
"""The goods no longer count as accepted."""


def dispose(state: State, command: OrderCommand) -> Message | None:
    """Record what becomes of goods; the same id again is another decision, until the goods travel."""
    order, told = present(state), command.dispose.disposition
    known = find_disposition(order, told.disposition_id)
    if known is not None:
        if (known.disposition, list(known.lines), known.place) == (told.disposition, list(told.lines), told.place):
            return None
        if known.load_id or known.HasField("return_time"):
            raise refused(
                ErrorReason.ERROR_REASON_DISPOSITION_UNDER_WAY,
                f"goods of order {order.order_id} are on load {known.load_id} already; too late for another decision",
                disposition_id=known.disposition_id,
                load_id=known.load_id,
            )
    if told.disposition == Disposition.DISPOSITION_UNSPECIFIED:
        raise violated("disposition.disposition", "say what becomes of the goods")
    at_the_door = told.origin == DispositionOrigin.DISPOSITION_ORIGIN_REJECTED
    if told.disposition == Disposition.DISPOSITION_RESHIP and not at_the_door:
        raise violated("disposition.disposition", "only what was refused at the door is delivered once more")
    _check_room(state, order, told)
    decided = GoodsDisposition()
    decided.CopyFrom(told)
    for name in ("load_id", "stop_id", "returned", "return_time", "pod_id"):
        message: Message = decided
        message.ClearField(name)
    return OrderDispositionDecided(disposition=decided)


def lay(state: State, command: OrderCommand) -> Message | None:
    """Record which load carries a decision out."""
    order, wish = present(state), command.lay_disposition
    known = _present_disposition(order, wish.disposition_id)
    if known.load_id:
        if (known.load_id, known.stop_id) == (wish.load_id, wish.stop_id):
            return None
        raise refused(
            ErrorReason.ERROR_REASON_DISPOSITION_UNDER_WAY,
            f"load {known.load_id} carries that decision out already; take it off there first",
            disposition_id=known.disposition_id,
            load_id=known.load_id,
        )
    if known.disposition not in _TRAVELLING or not known.lines:
        raise barred(order, "laying it on a load", "goods that do not travel need no load")
    return OrderDispositionLaid(disposition_id=wish.disposition_id, load_id=wish.load_id, stop_id=wish.stop_id)


def unlay(state: State, command: OrderCommand) -> Message | None:
    """Record that a load does not carry a decision out after all."""
    order, wish = present(state), command.unlay_disposition
    known = _present_disposition(order, wish.disposition_id)
    done = known.HasField("return_time") or (known.load_id, known.stop_id) in state.deliveries
    if known.load_id != wish.load_id or done:
        return None
    return OrderDispositionUnlaid(disposition_id=wish.disposition_id, load_id=wish.load_id, reason=wish.reason)


def record_return(state: State, command: OrderCommand) -> Message | None:
    """Record what came back; a later word about the same decision replaces the earlier one."""
    order, wish = present(state), command.record_return
    known = _present_disposition(order, wish.disposition_id)
    told = [line for line in wish.lines if decimal_of(line.quantity) > ZERO]
    if known.HasField("return_time") and (list(known.returned), known.pod_id) == (told, wish.pod_id):
        return None
    if known.disposition != Disposition.DISPOSITION_RETURN or wish.load_id != known.load_id:
        raise barred(order, "recording a return", "lay the return on that load first")
    if known.HasField("return_time") and known.pod_id and not wish.pod_id:
        return None
    sent = {line.line_id: decimal_of(line.quantity) for line in known.lines}
    for line in told:
        number = amount(line_of(order, line.line_id), line.quantity, "quantity")
        if number > sent.get(line.line_id, ZERO):
            raise refused(
                ErrorReason.ERROR_REASON_QUANTITY_EXCEEDED,
                f"line {line.line_id}: {number:f} came back, {sent.get(line.line_id, ZERO):f} were sent; count again",
                line_id=line.line_id,
                expected=f"{sent.get(line.line_id, ZERO):f}",
                found=f"{number:f}",
            )
    return OrderReturned(
        disposition_id=wish.disposition_id,
        load_id=wish.load_id,
        stop_id=wish.stop_id,
        pod_id=wish.pod_id,
        lines=told,
        complete=_all_back(state, order, wish.disposition_id),
    )


def find_disposition(order: Order, disposition_id: str) -> GoodsDisposition | None:
    """Return a decision of an order about goods, None where it has no such decision."""
    return next((known for known in order.dispositions if known.disposition_id == disposition_id), None)


def rejected_at(state: State, place: tuple[str, str]) -> list[LineQuantity]:
    """Return what was refused at a stop, by line."""
    there = state.deliveries.get(place)
    return [
        LineQuantity(line_id=line.line_id, quantity=line.rejected, reason=line.reason)
        for line in (there.lines if there is not None else ())
        if decimal_of(line.rejected) > ZERO
    ]


def aboard(state: State, order: Order, load_id: str) -> list[LineQuantity]:
    """Return what left pickups on a load and was not set down from it, by line."""
    picked = _sums(line for (load, _), lines in state.pickups.items() if load == load_id for line in lines)
    down = _sums(line for (load, _), there in state.deliveries.items() if load == load_id for line in there.lines)
    left = []
    for line in order.lines:
        number = difference(picked.get(line.line_id, ZERO), down.get(line.line_id, ZERO))
        if number > ZERO:
            quantity = quantity_of(number, line.quantities.ordered.unit_code)
            left.append(LineQuantity(line_id=line.line_id, quantity=quantity))
    return left


def reshipped(order: Order) -> Mapping[str, Decimal]:
    """Return what is delivered once more, by line: it may be set down beyond what was ordered."""
    again: dict[str, Decimal] = {}
    for known in order.dispositions:
        if known.disposition == Disposition.DISPOSITION_RESHIP:
            for line in known.lines:
                again[line.line_id] = total((again.get(line.line_id, ZERO), decimal_of(line.quantity)))
    return again


def check_settled(order: Order, place: tuple[str, str], lines: Iterable[LineMovement]) -> None:
    """Refuse a newer word about a stop that takes back a refusal whose goods travel already (MESSAGE_CONFLICT)."""
    now = {line.line_id: decimal_of(line.rejected) for line in lines}
    for known in order.dispositions:
        at_stop = known.origin == DispositionOrigin.DISPOSITION_ORIGIN_REJECTED and known.load_id
        if not at_stop or (known.source_load_id, known.source_stop_id) != place:
            continue
        for line in known.lines:
            if now.get(line.line_id, ZERO) < decimal_of(line.quantity):
                raise refused(
                    ErrorReason.ERROR_REASON_MESSAGE_CONFLICT,
                    f"refused goods of line {line.line_id} travel already; a person must see which word is right",
                    line_id=line.line_id,
                    disposition_id=known.disposition_id,
                )


def _check_room(state: State, order: Order, told: GoodsDisposition) -> None:
    """Check that goods are there to decide about."""
    if told.origin == DispositionOrigin.DISPOSITION_ORIGIN_REJECTED:
        there = rejected_at(state, (told.source_load_id, told.source_stop_id))
    elif told.origin == DispositionOrigin.DISPOSITION_ORIGIN_TURNED_BACK:
        if not (order.turned_back or state.remainder):
            raise barred(order, "taking goods back", "cancel the order first")
        there = aboard(state, order, told.source_load_id)
    else:
        claim = find_claim(order, told.claim_id)
        there = list(claim.lines) if claim is not None and claim.state in _SETTLED_CLAIMS else []
    room = {line.line_id: decimal_of(line.quantity) for line in there}
    if len({line.line_id for line in told.lines}) != len(told.lines):
        raise violated("disposition.lines", "name each line once")
    for line in told.lines:
        number = amount(line_of(order, line.line_id), line.quantity, "quantity")
        if number > room.get(line.line_id, ZERO):
            raise refused(
                ErrorReason.ERROR_REASON_QUANTITY_EXCEEDED,
                f"line {line.line_id}: {number:f} to decide about, {room.get(line.line_id, ZERO):f} there",
                line_id=line.line_id,
                found=f"{number:f}",
                expected=f"{room.get(line.line_id, ZERO):f}",
            )


def _all_back(state: State, order: Order, now_back: str) -> bool:
    """Return whether nothing of an order that was turned back is on the road any more."""
    if not order.turned_back or order.state not in {
        OrderState.ORDER_STATE_IN_EXECUTION,
        OrderState.ORDER_STATE_PARTIALLY_DELIVERED,
    }:
        return False
    for load_id in {load_id for load_id, _ in state.pickups}:
        if not aboard(state, order, load_id):
            continue
        back = any(
            known.source_load_id == load_id
            and known.origin == DispositionOrigin.DISPOSITION_ORIGIN_TURNED_BACK
            and (known.disposition_id == now_back or known.HasField("return_time"))
            for known in order.dispositions
        )
        if not back:
            return False
    return True


def _present_disposition(order: Order, disposition_id: str) -> GoodsDisposition:
    found = find_disposition(order, disposition_id)
    if found is None:
        raise refused(
            ErrorReason.ERROR_REASON_DISPOSITION_NOT_FOUND,
            f"order {order.order_id} has no decision {disposition_id} about goods; name one of its dispositions",
            disposition_id=disposition_id,
        )
    return found


def _sums(lines: Iterable[LineMovement]) -> dict[str, Decimal]:
    sums: dict[str, Decimal] = {}
    for line in lines:
        sums[line.line_id] = total((sums.get(line.line_id, ZERO), decimal_of(line.quantity)))
    return sums

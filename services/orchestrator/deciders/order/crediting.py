"""After the billing gate: goods that were accepted are asked back, and what an invoice claims for them is credited."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from google.protobuf.message import Message

from gladhand import ids
from logistics.error.v1 import ErrorReason
from logistics.order.v1 import (
    ClaimState,
    Disposition,
    LineMovement,
    LineQuantity,
    Order,
    OrderClaim,
    OrderClaimDecided,
    OrderClaimed,
    OrderCommand,
    OrderCredited,
    OrderState,
)
from services.orchestrator.deciders.order.rules import amount, barred, line_of, present
from services.orchestrator.deciders.order.state import State
from services.orchestrator.deciders.refusal import refused, violated
from services.orchestrator.quantities import ZERO, decimal_of, difference, quantity_of, total

CLAIMABLE = frozenset({OrderState.ORDER_STATE_BILLABLE, OrderState.ORDER_STATE_INVOICED, OrderState.ORDER_STATE_CLOSED})
"""States in which what is accepted changes by a claim only."""

UNSETTLED = frozenset({ClaimState.CLAIM_STATE_OPEN, ClaimState.CLAIM_STATE_APPROVED})
"""Claims whose goods still count as accepted."""

_DECISIONS = frozenset(
    {ClaimState.CLAIM_STATE_APPROVED, ClaimState.CLAIM_STATE_DECLINED, ClaimState.CLAIM_STATE_TAKEN_IN}
)


def claimable(order: Order) -> dict[str, Decimal]:
    """Return how much of each line was accepted and is not asked back yet."""
    asked: dict[str, Decimal] = {}
    for claim in order.claims:
        if claim.state in UNSETTLED:
            for line in claim.lines:
                asked[line.line_id] = total((asked.get(line.line_id, ZERO), decimal_of(line.quantity)))
    return {
        line.line_id: difference(decimal_of(line.quantities.accepted), asked.get(line.line_id, ZERO))
        for line in order.lines
    }


def claim(state: State, command: OrderCommand) -> Message | None:
    """Ask accepted goods back; the same claim again is nothing. Raises QUANTITY_EXCEEDED beyond what was accepted."""
    order, told = present(state), command.claim.claim
    if find_claim(order, told.claim_id) is not None:
        return None
    if order.state not in CLAIMABLE:
        raise barred(order, "claiming", "before billing a new proof tells what was not kept")
    if told.disposition == Disposition.DISPOSITION_RESHIP:
        raise violated("claim.disposition", "what was billed is not delivered again; submit a new order for it")
    _check(order, told.lines)
    raised = OrderClaim()
    raised.CopyFrom(told)
    raised.state = ClaimState.CLAIM_STATE_OPEN
    raised.ClearField("credit_invoice_id")
    raised.ClearField("decided_by")
    return OrderClaimed(claim=raised)


def claim_of_delivery(
    state: State, order: Order, place: tuple[str, str], lines: Sequence[LineMovement], pod_id: str
) -> Message | None:
    """Return the claim that a newer proof makes once the billing gate has opened; what is accepted only falls by it."""
    claim_id = ids.derive(order.order_id, "claim", *place, pod_id)
    known = state.deliveries.get(place)
    if known is None:
        raise barred(order, "recording a delivery", "correct it by a claim or a credit memo")
    if find_claim(order, claim_id) is not None:
        return None
    kept = {line.line_id: decimal_of(line.accepted) for line in lines}
    fewer = []
    for before in known.lines:
        still = difference(decimal_of(before.accepted), _told_before(order, before.line_id))
        less = difference(still, kept.get(before.line_id, ZERO))
        reason = next((line.reason for line in lines if line.line_id == before.line_id), "")
        if less < ZERO:
            raise barred(order, "accepting more", "what was billed does not grow: submit a new order for it")
        if less > ZERO:
            quantity = quantity_of(less, before.quantity.unit_code)
            fewer.append(LineQuantity(line_id=before.line_id, quantity=quantity, reason=reason))
    if not fewer:
        return None
    _check(order, fewer)
    told = OrderClaim(
        claim_id=claim_id,
        lines=fewer,
        pod_id=pod_id,
        reason="a newer proof tells that less was kept",
        state=ClaimState.CLAIM_STATE_OPEN,
    )
    return OrderClaimed(claim=told)


def decide_claim(state: State, command: OrderCommand) -> Message | None:
    """Approve a credit memo, decline it, or record that the invoice was laid down without it before its posting."""
    order, wish = present(state), command.decide_claim
    found = _present_claim(order, wish.claim_id)
    if wish.state not in _DECISIONS:
        raise violated("state", "a claim is approved, declined, or taken into an invoice that is not posted")
    if found.state == wish.state:
        return None
    credited = wish.state == ClaimState.CLAIM_STATE_APPROVED and found.state == ClaimState.CLAIM_STATE_CREDITED
    if credited:
        return None
    if found.state != ClaimState.CLAIM_STATE_OPEN:
        raise barred(order, "deciding about the claim", f"it is {ClaimState.Name(found.state)} already")
    if wish.state == ClaimState.CLAIM_STATE_TAKEN_IN and order.state != OrderState.ORDER_STATE_BILLABLE:
        raise barred(order, "taking a claim in", "its invoice is posted: approve a credit memo")
    return OrderClaimDecided(claim_id=wish.claim_id, state=wish.state, decided_by=wish.decided_by, note=wish.note)


def record_credit(state: State, command: OrderCommand) -> Message | None:
    """Record the credit memo of an approved claim: its goods no longer count as accepted, nor as invoiced."""
    order, wish = present(state), command.record_credit
    found = _present_claim(order, wish.claim_id)
    if found.state == ClaimState.CLAIM_STATE_CREDITED:
        if found.credit_invoice_id == wish.credit_invoice_id:
            return None
        raise refused(
            ErrorReason.ERROR_REASON_REFERENCE_CONFLICT,
            f"claim {wish.claim_id} is credited by {found.credit_invoice_id}; a second credit must be reversed",
            claim_id=wish.claim_id,
            credit_invoice_id=found.credit_invoice_id,
        )
    if found.state != ClaimState.CLAIM_STATE_APPROVED:
        raise barred(order, "recording a credit", "approve the claim first")
    if wish.invoice_id not in state.invoices:
        raise barred(order, "recording a credit", "no such invoice of the order is posted")
    for line in found.lines:
        number, billed = decimal_of(line.quantity), decimal_of(line_of(order, line.line_id).quantities.invoiced)
        if number > billed:
            raise _too_much(order, line.line_id, number, billed, "invoiced")
    event = OrderCredited(
        invoice_id=wish.invoice_id,
        credit_invoice_id=wish.credit_invoice_id,
        lines=found.lines,
        claim_id=wish.claim_id,
    )
    if wish.HasField("erp_credit_memo"):
        event.erp_credit_memo.CopyFrom(wish.erp_credit_memo)
    return event


def find_claim(order: Order, claim_id: str) -> OrderClaim | None:
    """Return a claim of an order, None where it has no such claim."""
    return next((known for known in order.claims if known.claim_id == claim_id), None)


def _told_before(order: Order, line_id: str) -> Decimal:
    """Return what earlier proofs have asked back of a line already."""
    standing = [c for c in order.claims if c.pod_id and c.state != ClaimState.CLAIM_STATE_DECLINED]
    return total(decimal_of(line.quantity) for c in standing for line in c.lines if line.line_id == line_id)


def _present_claim(order: Order, claim_id: str) -> OrderClaim:
    found = find_claim(order, claim_id)
    if found is None:
        raise refused(
            ErrorReason.ERROR_REASON_CLAIM_NOT_FOUND,
            f"order {order.order_id} has no claim {claim_id}; name one of its claims",
            claim_id=claim_id,
        )
    return found


def _check(order: Order, lines: Sequence[LineQuantity]) -> None:
    left = claimable(order)
    if not lines or len({line.line_id for line in lines}) != len(lines):
        raise violated("claim.lines", "name each line that is asked back once")
    for line in lines:
        number = amount(line_of(order, line.line_id), line.quantity, "quantity")
        if number == ZERO:
            raise violated("claim.lines.quantity", f"nothing of line {line.line_id} is asked back; leave it out")
        if number > left[line.line_id]:
            raise _too_much(order, line.line_id, number, left[line.line_id], "accepted")


def _too_much(order: Order, line_id: str, number: Decimal, ceiling: Decimal, what: str) -> Exception:
    return refused(
        ErrorReason.ERROR_REASON_QUANTITY_EXCEEDED,
        f"line {line_id} of order {order.order_id}: {number:f} asked back, {ceiling:f} {what} and not asked back yet",
        line_id=line_id,
        **{what: f"{ceiling:f}", "claimed": f"{number:f}"},
    )

"""Goods that are asked back after the billing gate had opened, up to the posted credit memo (pure; domain 3.5)."""

from __future__ import annotations

from collections.abc import Iterator

from logistics.exception.v1 import ExceptionKind
from logistics.invoice.v1 import InvoiceState
from logistics.order.v1 import ClaimState, OrderClaim, OrderState
from services.orchestrator.phases.steps import (
    AdvanceCredit,
    ApproveClaim,
    PostCredit,
    Report,
    Settle,
    Situation,
    Step,
    TakeIn,
    Wait,
)

_UNPOSTED = frozenset(
    {
        InvoiceState.INVOICE_STATE_NOT_READY,
        InvoiceState.INVOICE_STATE_BLOCKED,
        InvoiceState.INVOICE_STATE_READY,
        InvoiceState.INVOICE_STATE_DRAFT,
        InvoiceState.INVOICE_STATE_IN_REVIEW,
        InvoiceState.INVOICE_STATE_APPROVED,
    }
)
_INVOICED = frozenset({OrderState.ORDER_STATE_INVOICED, OrderState.ORDER_STATE_CLOSED})


def crediting(s: Situation) -> Iterator[Step]:
    """Yield what claims need next."""
    for claim in s.order.claims:
        if claim.state == ClaimState.CLAIM_STATE_OPEN:
            yield from _undecided(s, claim)
        elif claim.state == ClaimState.CLAIM_STATE_APPROVED and s.order.state in _INVOICED:
            yield _memo(s, claim)
        elif claim.state == ClaimState.CLAIM_STATE_CREDITED and not _noted(s, claim):
            yield AdvanceCredit(claim.claim_id, "note")
        if claim.state != ClaimState.CLAIM_STATE_OPEN:
            yield from _settled(s, claim)


def proposal(claim: OrderClaim) -> Report:
    """Return what people are told of a claim against a posted invoice."""
    by_fact = bool(claim.pod_id)
    kind = ExceptionKind.EXCEPTION_KIND_RETRACTED_AFTER_USE if by_fact else ExceptionKind.EXCEPTION_KIND_CREDIT_DUE
    goods = ", ".join(f"{line.quantity.value} of line {line.line_id}" for line in claim.lines)
    message = f"The posted invoice claims {goods} too much ({claim.reason}): approve or decline the credit memo."
    return Report(kind, message[:2000], about=claim.claim_id)


def _noted(s: Situation, claim: OrderClaim) -> bool:
    return s.invoice is None or claim.credit_invoice_id in s.invoice.credit_invoice_ids


def _undecided(s: Situation, claim: OrderClaim) -> Iterator[Step]:
    if s.order.state == OrderState.ORDER_STATE_BILLABLE:
        # An invoice that is being posted, or that the ERP refused, is credited once it is posted.
        if s.invoice is None or s.invoice.state in _UNPOSTED:
            yield TakeIn(claim.claim_id)
        return
    told = proposal(claim)
    if told.key not in s.done:
        yield told
    elif claim.pod_id and s.policy.bill_accepted_after_rejection:
        yield ApproveClaim(claim.claim_id)
    else:
        yield Wait("a credit memo is proposed and waits for approval")


def _settled(s: Situation, claim: OrderClaim) -> Iterator[Step]:
    told = proposal(claim)
    waits = claim.state == ClaimState.CLAIM_STATE_APPROVED
    settled = Settle(told, ClaimState.Name(claim.state).removeprefix("CLAIM_STATE_"), "the claim is decided")
    if not waits and told.key in s.done and settled.key not in s.done:
        yield settled


def _memo(s: Situation, claim: OrderClaim) -> Step:
    memo = s.credits.get(claim.claim_id)
    if memo is None:
        return AdvanceCredit(claim.claim_id, "open")
    match memo.state:
        case InvoiceState.INVOICE_STATE_NOT_READY | InvoiceState.INVOICE_STATE_BLOCKED:
            return AdvanceCredit(claim.claim_id, "release")
        case InvoiceState.INVOICE_STATE_READY:
            return AdvanceCredit(claim.claim_id, "draft")
        case InvoiceState.INVOICE_STATE_DRAFT | InvoiceState.INVOICE_STATE_IN_REVIEW:
            return AdvanceCredit(claim.claim_id, "approve")
        case InvoiceState.INVOICE_STATE_APPROVED | InvoiceState.INVOICE_STATE_POST_FAILED:
            return AdvanceCredit(claim.claim_id, "begin")
        case InvoiceState.INVOICE_STATE_POSTING:
            return PostCredit(claim.claim_id)
        case InvoiceState.INVOICE_STATE_POSTED:
            return AdvanceCredit(claim.claim_id, "record")
        case _:
            return Wait("the credit memo was voided")

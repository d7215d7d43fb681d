"""The credit memo of a claim: an invoice of its own, with a posting key, a latch and a history of its own."""

from __future__ import annotations

from gladhand.bus.port import AlreadyTaken, Bus
from logistics.erp.v1 import PostCreditMemoRequest
from logistics.invoice.v1 import (
    ApproveInvoice,
    BeginPosting,
    CreditInvoice,
    DraftInvoice,
    Invoice,
    OpenInvoice,
    RecordPosting,
    ReleaseInvoice,
)
from logistics.order.v1 import OrderClaim, RecordOrderCredit
from logistics.type.v1 import ExternalReference
from services.orchestrator.billing import blank_credit, credit_latch, drafted_credit, posting_key
from services.orchestrator.deciders.order.crediting import find_claim
from services.orchestrator.gateways import ErpGateway
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.phases.steps import AdvanceCredit, Situation
from services.orchestrator.policies import label_of


class CreditDuplicate(Exception):
    """Another credit memo already holds the posting of the claim."""


class CreditMemos:
    """Takes the steps of credit memos. Raises what the log, the bus and the ERP raise."""

    def __init__(self, journal: Journal, bus: Bus) -> None:
        self._journal = journal
        self._bus = bus

    async def advance(self, step: AdvanceCredit, s: Situation, cause: Cause) -> None:
        """Take one step that is one command."""
        claim, invoice = find_claim(s.order, step.claim_id), s.invoice
        if claim is None or invoice is None:
            return
        memo = blank_credit(s.order, claim, invoice)
        why = cause.step(step.action, step.claim_id)
        match step.action:
            case "open":
                await self._journal.invoice(memo.invoice_id, OpenInvoice(invoice=memo), why)
            case "release":
                # It stands on the checks of the invoice that it corrects: proof was given, and no hold stood then.
                wish = ReleaseInvoice(checks=s.gate_checks, policy_version=label_of(s.policy))
                await self._journal.invoice(memo.invoice_id, wish, why)
            case "draft":
                drafted = DraftInvoice(invoice=drafted_credit(s.order, claim, invoice))
                await self._journal.invoice(memo.invoice_id, drafted, why)
            case "approve":
                by = claim.decided_by or f"policy {label_of(s.policy)}"
                await self._journal.invoice(memo.invoice_id, ApproveInvoice(reason=f"approved by {by}"), why)
            case "begin":
                await self._hold_latch(s, claim, memo)
                key = posting_key(memo.invoice_id)
                await self._journal.invoice(memo.invoice_id, BeginPosting(posting_key=key), why)
            case "record" | "note":
                await self._record(step, s, claim, why)

    async def _record(self, step: AdvanceCredit, s: Situation, claim: OrderClaim, why: Cause) -> None:
        posted = s.credits.get(claim.claim_id)
        if posted is None or s.invoice is None:
            return
        if step.action == "note":
            noted = CreditInvoice(credit_invoice_id=posted.invoice_id, lines=posted.lines)
            await self._journal.invoice(s.invoice.invoice_id, noted, why)
            return
        wish = RecordOrderCredit(
            claim_id=claim.claim_id, invoice_id=s.invoice.invoice_id, credit_invoice_id=posted.invoice_id
        )
        if posted.references:
            wish.erp_credit_memo.CopyFrom(posted.references[-1])
        await self._journal.order(s.order.order_id, wish, why)

    async def _hold_latch(self, s: Situation, claim: OrderClaim, memo: Invoice) -> None:
        latch = credit_latch(s.order, claim.claim_id)
        try:
            await self._bus.claim(latch, memo.invoice_id.encode(), message_id=memo.invoice_id)
        except AlreadyTaken as error:
            holder = await self._bus.claimed(latch)
            # A claim older than the dedupe window is answered as taken although it is our own.
            if holder is None or holder.payload != memo.invoice_id.encode():
                raise CreditDuplicate("another credit memo already takes back these goods") from error


async def post_memo(
    memo: Invoice, s: Situation, reason: str, request_id: str, erp: ErpGateway, journal: Journal, cause: Cause
) -> ExternalReference:
    """Post a credit memo in the ERP, once by its posting key, record its number, and return that."""
    request = PostCreditMemoRequest(
        request_id=request_id,
        order_id=s.order.order_id,
        order_references=s.order.references,
        lines=memo.lines,
        reason=reason,
        posting_key=posting_key(memo.invoice_id),
        credit_invoice_id=memo.invoice_id,
        currency=memo.currency,
    )
    corrected = s.invoice if s.invoice is not None and memo.corrects_invoice_id == s.invoice.invoice_id else None
    if corrected is not None and corrected.references:
        request.erp_invoice.CopyFrom(corrected.references[-1])
    answer = await erp.post_credit_memo(request)
    # The lines stay as they were laid down: they say which line of the invoice each of them corrects.
    wish = RecordPosting(erp_invoice=answer.erp_credit_memo)
    if answer.HasField("post_time"):
        wish.post_time.CopyFrom(answer.post_time)
    if answer.HasField("total"):
        wish.total.CopyFrom(answer.total)
    await journal.invoice(memo.invoice_id, wish, cause)
    return answer.erp_credit_memo

"""Steps of orders that end otherwise: what becomes of goods, what cancelling costs, and claims before the posting."""

from __future__ import annotations

from gladhand import ids
from logistics.invoice.v1 import Charge, ChargeBasis, DraftInvoice, InvoiceState, VoidInvoice
from logistics.order.v1 import ChargeOrder, ClaimState, DecideOrderClaim, DisposeGoods
from logistics.type.v1 import Quantity
from services.orchestrator.billing import drafted_invoice, invoice_id_of, without
from services.orchestrator.deciders.order.crediting import find_claim
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.phases.steps import AddCharge, ApproveClaim, Dispose, Situation, TakeIn
from services.orchestrator.policies import label_of

_LAID_DOWN = frozenset(
    {
        InvoiceState.INVOICE_STATE_DRAFT,
        InvoiceState.INVOICE_STATE_IN_REVIEW,
        InvoiceState.INVOICE_STATE_APPROVED,
    }
)


class Endings:
    """Performs such steps. Raises Rejected and what the log raises."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def perform(
        self, step: Dispose | AddCharge | TakeIn | ApproveClaim, s: Situation, cause: Cause, pod_ids: tuple[str, ...]
    ) -> None:
        """Perform one step on the order of a situation."""
        order_id = s.order.order_id
        match step:
            case Dispose():
                decision = step.disposition
                why = cause.step("dispose", decision.disposition_id)
                await self._journal.order(order_id, DisposeGoods(disposition=decision), why)
            case AddCharge():
                await self._journal.order(order_id, ChargeOrder(charge=_charge(step, s, cause)), cause.step(step.code))
            case TakeIn():
                await self._take_in(step, s, cause, pod_ids)
            case ApproveClaim():
                wish = DecideOrderClaim(
                    claim_id=step.claim_id,
                    state=ClaimState.CLAIM_STATE_APPROVED,
                    note=f"policy {label_of(s.policy)} credits what a proof tells",
                )
                await self._journal.order(order_id, wish, cause.step("approve", step.claim_id))

    async def _take_in(self, step: TakeIn, s: Situation, cause: Cause, pod_ids: tuple[str, ...]) -> None:
        """Lay the draft down anew before the claim counts, so that an invoice never claims more than is accepted."""
        claim = find_claim(s.order, step.claim_id)
        if claim is None:
            return
        if s.invoice is not None and s.invoice.state in _LAID_DOWN:
            left = drafted_invoice(without(s.order, claim), pod_ids, s.loads)
            wish = DraftInvoice(invoice=left) if left.lines else VoidInvoice(reason="everything was asked back")
            await self._journal.invoice(invoice_id_of(s.order.order_id), wish, cause.step("redraft", step.claim_id))
        decided = DecideOrderClaim(
            claim_id=step.claim_id,
            state=ClaimState.CLAIM_STATE_TAKEN_IN,
            note="the invoice was not posted yet and was laid down without it",
        )
        await self._journal.order(s.order.order_id, decided, cause.step("take in", step.claim_id))


def _charge(step: AddCharge, s: Situation, cause: Cause) -> Charge:
    return Charge(
        charge_id=ids.derive(s.order.order_id, "charge", step.code),
        charge_code=step.code,
        description=step.description,
        basis=ChargeBasis.CHARGE_BASIS_FLAT,
        quantity=Quantity(value="1", unit_code="C62"),
        rate=step.amount,
        amount=step.amount,
        evidence_ids=[cause.event_id],
    )

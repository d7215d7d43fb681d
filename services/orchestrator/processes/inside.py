"""The steps of fulfilment that are one command to one aggregate of ours."""

from __future__ import annotations

from gladhand.bus.port import AlreadyTaken, Bus
from gladhand.decider import Rejected
from logistics.exception.v1 import ExceptionKind
from logistics.invoice.v1 import (
    ApproveInvoice as ApproveInvoiceWish,
)
from logistics.invoice.v1 import (
    BeginPosting as BeginPostingWish,
)
from logistics.invoice.v1 import (
    BlockInvoice,
    GateCheck,
    GateCheckKind,
    GateResult,
    Invoice,
    RequestInvoiceReview,
)
from logistics.invoice.v1 import (
    DraftInvoice as DraftInvoiceWish,
)
from logistics.invoice.v1 import (
    OpenInvoice as OpenInvoiceWish,
)
from logistics.invoice.v1 import (
    ReleaseInvoice as ReleaseInvoiceWish,
)
from logistics.invoice.v1 import (
    VoidInvoice as VoidInvoiceWish,
)
from logistics.order.v1 import (
    CloseOrder as CloseOrderWish,
)
from logistics.order.v1 import (
    ConcludeOrderValidation,
    ConfirmOrderCancel,
    OpenOrderReview,
    RecordOrderInvoice,
    ReleaseOrderBilling,
)
from services.orchestrator.billing import (
    blank_invoice,
    drafted_invoice,
    invoice_id_of,
    invoiced_lines,
    posting_key,
    posting_latch,
)
from services.orchestrator.deciders import fulfilment, order
from services.orchestrator.deciders.order.billing import gate_checks
from services.orchestrator.exceptions import exception_id_of, open_exception
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.phases.billing import policy_checks
from services.orchestrator.phases.steps import (
    AddCharge,
    AdvanceCredit,
    ApproveClaim,
    ApproveInvoice,
    Begin,
    BeginPosting,
    CloseOrder,
    ConcludeValidation,
    ConfirmCancel,
    Dispose,
    DraftInvoice,
    Finish,
    GoOn,
    Inside,
    OpenInvoice,
    OpenReview,
    RecordInvoice,
    ReleaseBilling,
    ReleaseInvoice,
    RequestReview,
    Situation,
    TakeIn,
    VoidInvoice,
)
from services.orchestrator.policies import label_of
from services.orchestrator.processes.crediting import CreditDuplicate, CreditMemos
from services.orchestrator.processes.endings import Endings


class Duplicate(Exception):
    """Another invoice already holds the posting of the order's goods."""


class GateShut(Exception):
    """The billing gate refused; the invoice says why, and a change of the facts asks again."""


class InsideSteps:
    """Performs inside steps. Raises Rejected, Duplicate, GateShut and what the log raises."""

    def __init__(self, journal: Journal, bus: Bus) -> None:
        self._journal = journal
        self._bus = bus
        self._endings = Endings(journal)
        self._credits = CreditMemos(journal, bus)

    async def perform(self, step: Inside, s: Situation, cause: Cause, pod_ids: tuple[str, ...]) -> None:
        """Perform one step on the order of a situation."""
        match step:
            case Begin() | GoOn() | Finish():
                await self._process(step, s, cause)
            case ConcludeValidation() | OpenReview() | ConfirmCancel() | CloseOrder() | RecordInvoice():
                await self._order(step, s, cause)
            case ReleaseBilling():
                await self._gate(s, cause)
            case RequestReview():
                await self._review(step, s, cause)
            case OpenInvoice() | ReleaseInvoice() | DraftInvoice() | ApproveInvoice() | BeginPosting() | VoidInvoice():
                await self._invoice(step, s, cause, pod_ids)
            case Dispose() | AddCharge() | TakeIn() | ApproveClaim():
                await self._endings.perform(step, s, cause, pod_ids)
            case AdvanceCredit():
                try:
                    await self._credits.advance(step, s, cause)
                except CreditDuplicate as duplicate:
                    raise Duplicate(str(duplicate)) from duplicate

    async def _process(self, step: Begin | GoOn | Finish, s: Situation, cause: Cause) -> None:
        order_id = s.order.order_id
        wish: fulfilment.Command
        match step:
            case Begin():
                wish = fulfilment.Begin(order_id)
            case GoOn():
                wish = fulfilment.Resume(step.note)
            case Finish():
                wish = fulfilment.Finish(step.outcome)
        await self._journal.fulfilment(order_id, wish, cause)

    async def _order(
        self,
        step: ConcludeValidation | OpenReview | ConfirmCancel | CloseOrder | RecordInvoice,
        s: Situation,
        cause: Cause,
    ) -> None:
        order_id = s.order.order_id
        wish: ConcludeOrderValidation | OpenOrderReview | ConfirmOrderCancel | CloseOrderWish | RecordOrderInvoice
        match step:
            case ConcludeValidation():
                wish = ConcludeOrderValidation()
            case OpenReview():
                kind = ExceptionKind.Value(f"EXCEPTION_KIND_{step.reason}")
                wish = OpenOrderReview(
                    reason=step.reason, decided=step.decided, exception_id=exception_id_of(kind, order_id, "0")
                )
            case ConfirmCancel():
                wish = ConfirmOrderCancel(reason="no load carries the order any more")
            case CloseOrder():
                wish = CloseOrderWish(reason=step.reason)
            case RecordInvoice():
                if s.invoice is None:
                    return
                wish = _invoice_record(s.invoice)
        await self._journal.order(order_id, wish, cause)

    async def _gate(self, s: Situation, cause: Cause) -> None:
        brought = policy_checks(s)
        wish = ReleaseOrderBilling(checks=brought, policy_version=label_of(s.policy))
        try:
            await self._journal.order(s.order.order_id, wish, cause)
        except Rejected as refusal:
            kind = _GATE_OF_REASON.get(refusal.reason)
            if kind is None:
                raise
            state = (await self._journal.find(order.DECIDER, s.order.order_id)).state
            checks = gate_checks(state, brought)
            if all(check.result != GateResult.GATE_RESULT_FAIL for check in checks):
                # No check failed: the delivery's review is not decided.
                checks.append(GateCheck(kind=kind, result=GateResult.GATE_RESULT_FAIL, message=refusal.message[:2000]))
            block = BlockInvoice(checks=checks, hold_ids=sorted({*s.order.hold_ids, *s.held_loads}))
            await self._journal.invoice(invoice_id_of(s.order.order_id), block, cause.step("block"))
            raise GateShut(refusal.message) from refusal

    async def _review(self, step: RequestReview, s: Situation, cause: Cause) -> None:
        order_id, invoice_id = s.order.order_id, invoice_id_of(s.order.order_id)
        await open_exception(
            self._journal,
            ExceptionKind.EXCEPTION_KIND_RATE_VARIANCE,
            f"The drafted invoice waits for a person: {step.check.message}",
            cause,
            subject_id=invoice_id,
            # A draft that was revised and is off again is told anew.
            detail=_round(s.invoice.version if s.invoice is not None else 0),
            order_id=order_id,
            invoice_id=invoice_id,
        )
        await self._journal.invoice(invoice_id, RequestInvoiceReview(check=step.check), cause)

    async def _invoice(
        self,
        step: OpenInvoice | ReleaseInvoice | DraftInvoice | ApproveInvoice | BeginPosting | VoidInvoice,
        s: Situation,
        cause: Cause,
        pod_ids: tuple[str, ...],
    ) -> None:
        invoice_id = invoice_id_of(s.order.order_id)
        wish: (
            OpenInvoiceWish
            | ReleaseInvoiceWish
            | DraftInvoiceWish
            | ApproveInvoiceWish
            | BeginPostingWish
            | VoidInvoiceWish
        )
        match step:
            case OpenInvoice():
                wish = OpenInvoiceWish(invoice=blank_invoice(s.order))
            case ReleaseInvoice():
                wish = ReleaseInvoiceWish(checks=s.gate_checks, policy_version=label_of(s.policy))
            case DraftInvoice():
                wish = DraftInvoiceWish(invoice=drafted_invoice(s.order, pod_ids, s.loads))
            case ApproveInvoice():
                wish = ApproveInvoiceWish(reason="every check of the gate passed")
            case BeginPosting():
                await self._claim(s, invoice_id)
                wish = BeginPostingWish(posting_key=posting_key(invoice_id))
            case VoidInvoice():
                wish = VoidInvoiceWish(reason="everything was asked back before it was posted")
        await self._journal.invoice(invoice_id, wish, cause)

    async def _claim(self, s: Situation, invoice_id: str) -> None:
        try:
            await self._bus.claim(posting_latch(s.order), invoice_id.encode(), message_id=invoice_id)
        except AlreadyTaken as error:
            holder = await self._bus.claimed(posting_latch(s.order))
            # A claim older than the dedupe window is answered as taken although it is our own.
            if holder is None or holder.payload != invoice_id.encode():
                raise Duplicate("another invoice already bills the goods of this order") from error


def variance_id(invoice_id: str, draft_version: int) -> str:
    """Return the id of the exception that tells of the review of a draft, by the version in which it was laid down."""
    return exception_id_of(ExceptionKind.EXCEPTION_KIND_RATE_VARIANCE, invoice_id, _round(draft_version))


def _round(draft_version: int) -> str:
    return f"draft/{draft_version}"


_GATE_OF_REASON = {
    "HOLD_BLOCKS": GateCheckKind.GATE_CHECK_KIND_NO_BILLING_HOLD,
    "COLD_CHAIN_OPEN": GateCheckKind.GATE_CHECK_KIND_COLD_CHAIN,
    "POD_MISSING": GateCheckKind.GATE_CHECK_KIND_POD_VERIFIED,
    "QUANTITY_EXCEEDED": GateCheckKind.GATE_CHECK_KIND_QUANTITIES,
    "TRANSITION_NOT_ALLOWED": GateCheckKind.GATE_CHECK_KIND_STOPS_TERMINAL,
}


def _invoice_record(posted: Invoice) -> RecordOrderInvoice:
    wish = RecordOrderInvoice(invoice_id=posted.invoice_id, lines=invoiced_lines(posted))
    if posted.references:
        wish.erp_invoice.CopyFrom(posted.references[-1])
    return wish

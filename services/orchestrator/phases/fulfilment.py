"""What an order needs next, from its own state alone (pure).

`phase` is the whole process of an order in one function: what it answers can be shown to a person, and a process that
crashed goes on by asking it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, TypeAlias

from gladhand.enums import short_name
from logistics.exception.v1 import ExceptionKind
from logistics.invoice.v1 import GateCheck, GateCheckKind, GateResult, Invoice, InvoiceState
from logistics.load.v1 import Load, LoadState
from logistics.order.v1 import Order, OrderState
from logistics.process.v1 import ProcessPolicy
from services.orchestrator.quantities import is_zero, same

_ON_THE_ROAD = frozenset(
    {OrderState.ORDER_STATE_DISPATCHED, OrderState.ORDER_STATE_IN_EXECUTION, OrderState.ORDER_STATE_PARTIALLY_DELIVERED}
)
_UNDISPATCHED = frozenset(
    {
        LoadState.LOAD_STATE_DRAFT,
        LoadState.LOAD_STATE_PLANNED,
        LoadState.LOAD_STATE_ACCEPTED,
        LoadState.LOAD_STATE_ASSIGNED,
        LoadState.LOAD_STATE_CANCELLED,
    }
)
_ENDED_LOADS = frozenset({LoadState.LOAD_STATE_COMPLETED, LoadState.LOAD_STATE_CANCELLED})


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that the next step depends on."""

    order: Order
    now: datetime
    policy: ProcessPolicy
    begun: bool = False
    finished: bool = False
    parked: str = ""
    """Why the process waits for a person; empty where it does not."""
    parked_action: str = ""
    """The key of the step that could not go on."""
    done: frozenset[str] = frozenset()
    """Keys of the outside actions that succeeded."""
    retry_times: Mapping[str, datetime] = field(default_factory=dict)
    """When a failed outside action may be tried again, by its key."""
    gate_checks: tuple[GateCheck, ...] = ()
    """The checks with which the billing gate opened; empty before."""
    invoice: Invoice | None = None
    loads: tuple[Load, ...] = ()
    """The loads on which lines of the order ride or rode."""
    completion_time: datetime | None = None
    """When the newest delivery stop of the order was completed."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until something happens, or until a time."""

    reason: str
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Begin:
    """Record that the process of the order begins."""


@dataclass(frozen=True, slots=True)
class GoOn:
    """Let the process go on: what it waited for no longer matters."""

    note: str


@dataclass(frozen=True, slots=True)
class ConcludeValidation:
    """Release or reject the order by the recorded checks."""


@dataclass(frozen=True, slots=True)
class OpenReview:
    """Stop before billing: what was accepted is not what was ordered."""

    reason: str
    decided: bool


@dataclass(frozen=True, slots=True)
class OpenInvoice:
    """Begin billing."""


@dataclass(frozen=True, slots=True)
class ReleaseBilling:
    """Try the gate."""


@dataclass(frozen=True, slots=True)
class ReleaseInvoice:
    """Let the invoice follow the order through the gate."""


@dataclass(frozen=True, slots=True)
class DraftInvoice:
    """Lay down lines by accepted quantity."""


@dataclass(frozen=True, slots=True)
class ApproveInvoice:
    """Let the invoice be posted."""


@dataclass(frozen=True, slots=True)
class BeginPosting:
    """Claim the posting, so that nobody posts it beside us, and record that the ERP is asked."""


@dataclass(frozen=True, slots=True)
class RecordInvoice:
    """Tell the order that its invoice is posted."""


@dataclass(frozen=True, slots=True)
class ConfirmCancel:
    """Record that no load carries the order any more."""


@dataclass(frozen=True, slots=True)
class CloseOrder:
    """Close the order: nothing was kept, so nothing is billed."""

    reason: str


@dataclass(frozen=True, slots=True)
class Finish:
    """Record that nothing is left to do."""

    outcome: str


@dataclass(frozen=True, slots=True)
class Validate:
    """Ask the ERP about the order."""

    revision: int

    @property
    def key(self) -> str:
        """The action's key in the process's history."""
        return f"validate/{self.revision}"


@dataclass(frozen=True, slots=True)
class ConfirmDispatch:
    """Tell the ERP that a load with lines of the order was dispatched."""

    load_id: str

    @property
    def key(self) -> str:
        """The action's key in the process's history."""
        return f"confirm_dispatch/{self.load_id}"


@dataclass(frozen=True, slots=True)
class Report:
    """Open an exception for people."""

    kind: ExceptionKind.ValueType
    message: str
    revision: int = 0

    @property
    def key(self) -> str:
        """The action's key in the process's history."""
        return f"report/{ExceptionKind.Name(self.kind)}/{self.revision}"


@dataclass(frozen=True, slots=True)
class DropFromLoad:
    """Take the order's stops off a load."""

    load_id: str

    @property
    def key(self) -> str:
        """The action's key in the process's history."""
        return f"drop_from_load/{self.load_id}"


@dataclass(frozen=True, slots=True)
class PostDelivery:
    """Complete the goods shipments in the ERP."""

    key: ClassVar[str] = "post_delivery"


@dataclass(frozen=True, slots=True)
class PostInvoice:
    """Post the invoice in the ERP."""

    key: ClassVar[str] = "post_invoice"


Outside: TypeAlias = Validate | ConfirmDispatch | Report | DropFromLoad | PostDelivery | PostInvoice
"""Steps whose success or failure is kept in the process's own history, by their key."""

Inside: TypeAlias = (
    Begin
    | GoOn
    | ConcludeValidation
    | OpenReview
    | OpenInvoice
    | ReleaseBilling
    | ReleaseInvoice
    | DraftInvoice
    | ApproveInvoice
    | BeginPosting
    | RecordInvoice
    | ConfirmCancel
    | CloseOrder
    | Finish
)
"""Steps that are one command to one aggregate; the aggregate's history is their record."""

Step: TypeAlias = Wait | Inside | Outside


def phase(s: Situation) -> Step:
    """Return what the order needs next. A failed outside action is held back until its time has come."""
    if s.finished:
        return Wait("finished")
    if s.parked:
        return _while_parked(s)
    if not s.begun:
        return Begin()
    step = _next(s)
    if isinstance(step, Outside):
        until = s.retry_times.get(step.key)
        if until is not None and until > s.now:
            return Wait(f"{step.key} is tried again", until)
    return step


def _while_parked(s: Situation) -> GoOn | Wait:
    """A cancelled order has its loads to leave, an amended one is validated anew, whatever went wrong before."""
    if s.order.state in {OrderState.ORDER_STATE_CANCEL_REQUESTED, OrderState.ORDER_STATE_CANCELLED}:
        return Wait(s.parked) if s.parked_action.startswith("drop_from_load/") else GoOn("the order is cancelled")
    if s.order.state == OrderState.ORDER_STATE_RECEIVED and s.parked_action != Validate(s.order.revision).key:
        return GoOn("the order was amended")
    return Wait(s.parked)


def _next(s: Situation) -> Step:
    state = s.order.state
    if state in {OrderState.ORDER_STATE_RECEIVED, OrderState.ORDER_STATE_VALIDATING}:
        return _validation(s)
    if state == OrderState.ORDER_STATE_REJECTED:
        return _once(s, _rejection(s)) or Wait("rejected; an amendment in the ERP starts it anew")
    if state in _ON_THE_ROAD:
        return _dispatch_confirmations(s) or Wait("on the road")
    if state == OrderState.ORDER_STATE_DELIVERED:
        return _after_delivery(s)
    if state == OrderState.ORDER_STATE_DELIVERY_REVIEW:
        return _under_review(s)
    if state in {OrderState.ORDER_STATE_BILLABLE, OrderState.ORDER_STATE_PARTIALLY_INVOICED}:
        return _billing(s)
    if state in {OrderState.ORDER_STATE_CANCEL_REQUESTED, OrderState.ORDER_STATE_CANCELLED}:
        return _cancelling(s)
    if state == OrderState.ORDER_STATE_INVOICED:
        return Finish("invoiced")
    if state == OrderState.ORDER_STATE_CLOSED:
        return Finish("closed")
    return Wait(short_name(OrderState, state).lower())


def _once(s: Situation, step: Outside) -> Outside | None:
    return None if step.key in s.done else step


def _validation(s: Situation) -> Step:
    validate = Validate(s.order.revision)
    if s.order.state == OrderState.ORDER_STATE_VALIDATING and s.order.checks:
        return ConcludeValidation()
    return validate


def _rejection(s: Situation) -> Report:
    failed = "; ".join(c.message or c.reason for c in s.order.checks if c.reason)
    return Report(ExceptionKind.EXCEPTION_KIND_ORDER_REJECTED, f"The order was refused: {failed}", s.order.revision)


def _dispatch_confirmations(s: Situation) -> Step | None:
    for load in s.loads:
        confirm = ConfirmDispatch(load.load_id)
        if load.state not in _UNDISPATCHED and confirm.key not in s.done:
            return confirm
    return None


def difference(order: Order) -> str:
    """Return the exception kind that tells how deliveries differ from the order; empty where they do not."""
    lines = [line.quantities for line in order.lines]
    if all(is_zero(q.accepted) for q in lines):
        return "REFUSAL"
    if any(not is_zero(q.rejected) for q in lines):
        return "PARTIAL_REJECTION"
    if any(not same(q.accepted, q.ordered) for q in lines):
        return "SHORTAGE"
    return ""


def _after_delivery(s: Situation) -> Step:
    # A dispatch that the ERP never heard of is told late rather than not at all.
    pending = _dispatch_confirmations(s)
    if pending is not None:
        return pending
    reason = difference(s.order)
    if reason:
        return OpenReview(reason, decided=reason == "REFUSAL" or s.policy.bill_accepted_after_rejection)
    return _gate(s)


def _under_review(s: Situation) -> Step:
    reason = difference(s.order) or "POD_INVALID"
    report = Report(
        ExceptionKind.Value(f"EXCEPTION_KIND_{reason}"),
        "The consignee did not keep everything that was ordered: decide about return, credit or a new delivery.",
    )
    if report.key not in s.done:
        return report
    if reason == "REFUSAL":
        return _once(s, PostDelivery()) or CloseOrder("the consignee refused everything: nothing to bill")
    return _gate(s)


def _gate(s: Situation) -> Step:
    if s.invoice is None:
        return OpenInvoice()
    quiet = quiet_until(s)
    if quiet is not None and quiet > s.now:
        return Wait("late events may still come before billing", quiet)
    return ReleaseBilling()


def quiet_until(s: Situation) -> datetime | None:
    """Return when the quiet period after the last stop ends, or None where the policy knows none."""
    period = timedelta(seconds=s.policy.quiet_period.seconds)
    return None if s.completion_time is None or not period else s.completion_time + period


def policy_checks(s: Situation) -> tuple[GateCheck, ...]:
    """Return the checks of the billing gate that the policy decides and the order cannot (domain reference 3.5).

    Only called once the quiet period is over. No policy asks for references or compares rates yet.
    """
    nothing = GateResult.GATE_RESULT_NOT_APPLICABLE
    quiet = nothing if quiet_until(s) is None else GateResult.GATE_RESULT_PASS
    return (
        GateCheck(kind=GateCheckKind.GATE_CHECK_KIND_QUIET_PERIOD, result=quiet),
        GateCheck(kind=GateCheckKind.GATE_CHECK_KIND_RATE_VARIANCE, result=nothing),
        GateCheck(kind=GateCheckKind.GATE_CHECK_KIND_REFERENCES, result=nothing),
    )


def _billing(s: Situation) -> Step:
    if s.invoice is None:
        return OpenInvoice()
    state = s.invoice.state
    if state in {InvoiceState.INVOICE_STATE_NOT_READY, InvoiceState.INVOICE_STATE_BLOCKED}:
        return ReleaseInvoice()
    if state == InvoiceState.INVOICE_STATE_READY:
        return _once(s, PostDelivery()) or DraftInvoice()
    if state == InvoiceState.INVOICE_STATE_DRAFT:
        return ApproveInvoice()
    if state in {InvoiceState.INVOICE_STATE_APPROVED, InvoiceState.INVOICE_STATE_POST_FAILED}:
        return BeginPosting()
    if state == InvoiceState.INVOICE_STATE_POSTING:
        return PostInvoice()
    if state == InvoiceState.INVOICE_STATE_POSTED:
        return RecordInvoice()
    return Wait(f"invoice {short_name(InvoiceState, state).lower()}")


def _cancelling(s: Situation) -> Step:
    for load in s.loads:
        rides = any(task.order_id == s.order.order_id for stop in load.stops for task in stop.tasks)
        drop = DropFromLoad(load.load_id)
        if rides and load.state not in _ENDED_LOADS and drop.key not in s.done:
            return drop
    if s.order.state == OrderState.ORDER_STATE_CANCEL_REQUESTED:
        return ConfirmCancel()
    return Finish("cancelled")

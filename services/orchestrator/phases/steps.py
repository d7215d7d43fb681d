"""What the next step of an order depends on, and every step that there is (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Literal, TypeAlias

from logistics.exception.v1 import ExceptionKind
from logistics.invoice.v1 import GateCheck, Invoice
from logistics.load.v1 import Load
from logistics.order.v1 import GoodsDisposition, Order
from logistics.process.v1 import ProcessPolicy
from logistics.type.v1 import Money
from services.orchestrator.deciders.order import State


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
    waived: frozenset[int] = frozenset()
    """Kinds of the checks of the billing gate that somebody let pass."""
    held_loads: tuple[str, ...] = ()
    """Holds of loads and stops that block the billing of the order."""
    billing_holds: tuple[str, ...] = ()
    """Those and the order's own."""
    completion_time: datetime | None = None
    """When the newest delivery stop of the order was completed."""
    known: State = field(default_factory=State)
    """Everything that is known of the order."""
    credits: Mapping[str, Invoice] = field(default_factory=dict)
    """The credit memos that were begun, by claim_id."""


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
class RequestReview:
    """Let a person look at the draft."""

    check: GateCheck


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
class Dispose:
    """Record what becomes of goods that nobody kept."""

    disposition: GoodsDisposition


@dataclass(frozen=True, slots=True)
class AddCharge:
    """Charge something that cancelling costs."""

    code: str
    """X12 element 150."""
    amount: Money
    description: str


@dataclass(frozen=True, slots=True)
class VoidInvoice:
    """Give the invoice up: nothing that was accepted is left."""


@dataclass(frozen=True, slots=True)
class TakeIn:
    """Lay the invoice down anew without what is asked back, and settle the claim by it."""

    claim_id: str


@dataclass(frozen=True, slots=True)
class ApproveClaim:
    """Approve a credit memo by policy."""

    claim_id: str


@dataclass(frozen=True, slots=True)
class AdvanceCredit:
    """Take the next step with the credit memo of a claim."""

    claim_id: str
    action: Literal["open", "release", "draft", "approve", "begin", "record", "note"]


@dataclass(frozen=True, slots=True)
class CancelSale:
    """Tell the ERP that what it still means to ship is not wanted."""

    key: ClassVar[str] = "cancel_sale"


@dataclass(frozen=True, slots=True)
class ChangeLoad:
    """Tell a load of a change of the order."""

    load_id: str
    revision: int

    @property
    def key(self) -> str:
        """The action's key in the process's history."""
        return f"change_load/{self.load_id}/{self.revision}"


@dataclass(frozen=True, slots=True)
class LayGoods:
    """Lay a decision about goods on a load."""

    disposition_id: str
    attempt: int

    @property
    def key(self) -> str:
        """The action's key in the process's history."""
        return f"lay_goods/{self.disposition_id}/{self.attempt}"


@dataclass(frozen=True, slots=True)
class ReceiveReturn:
    """Receive goods that came back in the ERP; without a decision those of a return order."""

    disposition_id: str = ""

    @property
    def key(self) -> str:
        """The action's key in the process's history."""
        return f"receive_return/{self.disposition_id or 'order'}"


@dataclass(frozen=True, slots=True)
class PostCredit:
    """Post the credit memo of a claim in the ERP."""

    claim_id: str

    @property
    def key(self) -> str:
        """The action's key in the process's history."""
        return f"post_credit/{self.claim_id}"


@dataclass(frozen=True, slots=True)
class Settle:
    """Record that the rule which opened an exception no longer finds it."""

    report: Report
    code: str
    note: str

    @property
    def key(self) -> str:
        """The action's key in the process's history."""
        return f"settle/{self.report.key}"


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
    about: str = ""
    """The claim, decision or change that it is about; empty where it is the order."""

    @property
    def key(self) -> str:
        """The action's key in the process's history."""
        return f"report/{ExceptionKind.Name(self.kind)}/{self.revision}" + (f"/{self.about}" if self.about else "")


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


Outside: TypeAlias = (
    Validate
    | ConfirmDispatch
    | Report
    | DropFromLoad
    | PostDelivery
    | PostInvoice
    | CancelSale
    | ChangeLoad
    | LayGoods
    | ReceiveReturn
    | PostCredit
    | Settle
)
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
    | RequestReview
    | BeginPosting
    | RecordInvoice
    | ConfirmCancel
    | CloseOrder
    | Finish
    | Dispose
    | AddCharge
    | VoidInvoice
    | TakeIn
    | ApproveClaim
    | AdvanceCredit
)
"""Steps that are one command to one aggregate; the aggregate's history is their record."""

Step: TypeAlias = Wait | Inside | Outside


def once(s: Situation, step: Outside) -> Outside | None:
    """Return an outside action unless it has succeeded already."""
    return None if step.key in s.done else step

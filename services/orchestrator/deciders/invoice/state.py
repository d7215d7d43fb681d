"""What is known of one invoice, beyond what its canonical object shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gladhand.lifecycle import MachineState
from logistics.invoice.v1 import Invoice, InvoiceState
from logistics.type.v1 import ExternalReference


@dataclass(frozen=True, slots=True)
class State:
    """One invoice. `invoice` is what everybody may see; it is never changed in place."""

    invoice: Invoice | None = None
    """None before birth."""
    content: Invoice | None = None
    """What was laid down last, by which a repeat is told from a change."""
    opened: Invoice | None = None
    """What billing began with."""
    hold_ids: tuple[str, ...] = ()
    """The holds that block it."""
    posting_key: str = ""
    """The key under which the ERP knows the posting, the same for every attempt; empty before the first."""
    attempt: int = 0
    """How often the ERP was asked."""
    erp_invoice: ExternalReference | None = None
    """The ERP's own number; None until posted."""


def machines(state: State) -> Mapping[str, MachineState]:
    """Return the one state machine of an invoice."""
    return {"": MachineState(InvoiceState, state.invoice.state if state.invoice is not None else None)}


def name_of(reference: ExternalReference) -> tuple[str, int, str]:
    """Return what makes an external name unique."""
    return reference.system, reference.type, reference.value

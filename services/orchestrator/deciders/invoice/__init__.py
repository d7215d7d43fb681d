"""The invoice: what is charged for what was accepted (domain reference 3.5)."""

from __future__ import annotations

from gladhand.decider import Decider
from logistics.invoice.v1 import InvoiceCommand, InvoiceEvent
from services.orchestrator.deciders.invoice.evolve import evolve
from services.orchestrator.deciders.invoice.rules import decide
from services.orchestrator.deciders.invoice.state import State, machines

__all__ = ["DECIDER", "State"]

DECIDER: Decider[State, InvoiceCommand, InvoiceEvent] = Decider(
    envelope=InvoiceEvent, initial=State(), decide=decide, evolve=evolve, machines=machines
)
"""The decider of an invoice."""

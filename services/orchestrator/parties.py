"""Whose an order or a load is (pure)."""

from __future__ import annotations

from gladhand.security.principal import CARRIER_SYSTEM, Party
from logistics.load.v1 import Load, LoadState
from logistics.order.v1 import Order
from logistics.type.v1 import ReferenceType

_GONE = frozenset({LoadState.LOAD_STATE_TENDER_DECLINED, LoadState.LOAD_STATE_TENDER_EXPIRED})


def parties_of(order: Order) -> list[Party]:
    """Return whose order it is: its customer, as each system names it."""
    return [
        Party(each.system, each.value)
        for each in order.customer.references
        if each.type == ReferenceType.REFERENCE_TYPE_PARTY
    ]


def carrier_of(load: Load) -> str:
    """Return the SCAC of the carrier that a load is offered to or rides with; empty for the own fleet.

    Who said no, or nothing in time, has no more to do with it.
    """
    return "" if load.state in _GONE else load.carrier_scac


def carried_by(load: Load, party: Party) -> bool:
    """Whether a party is the carrier of a load."""
    return party.system == CARRIER_SYSTEM and party.value == carrier_of(load)

"""Whose an order or a load is (pure)."""

from __future__ import annotations

from gladhand.security.principal import CARRIER_SYSTEM, Party
from logistics.load.v1 import Load, LoadState
from logistics.order.v1 import Order
from logistics.type.v1 import ReferenceType
from services.orchestrator.deciders.load.offers import OPEN

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


def carriers_of(load: Load) -> frozenset[str]:
    """Return the SCACs of the carriers that may see a load: it is offered to them, or one of them has it."""
    asked = {offer.carrier_scac for offer in load.tenders if offer.state in OPEN}
    return frozenset({*asked, carrier_of(load)} - {""})


def shown_to(load: Load, party: Party | None) -> Load:
    """Return a load as a party may see it: a carrier sees nothing of what others were offered, or asked for."""
    if party is None:
        return load
    shown = Load()
    shown.CopyFrom(load)
    del shown.tenders[:]
    own = [offer for offer in load.tenders if party.system == CARRIER_SYSTEM and offer.carrier_scac == party.value]
    shown.tenders.extend(own)
    if shown.carrier_scac != party.value:
        shown.ClearField("carrier_scac")
    return shown


def carried_by(load: Load, party: Party) -> bool:
    """Whether a party is the carrier of a load."""
    return party.system == CARRIER_SYSTEM and party.value == carrier_of(load)

"""The order: what a customer was promised, from hand-over to invoice (domain reference 3.1 and 3.5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from google.protobuf.message import Message

from gladhand.decider import Decider
from logistics.order.v1 import OrderCommand, OrderEvent
from services.orchestrator.deciders.order import (
    amending,
    billing,
    cancelling,
    charging,
    cold_chain,
    crediting,
    disposing,
    ending,
    estimates,
    receiving,
    retracting,
    riding,
    waiving,
)
from services.orchestrator.deciders.order.evolve import evolve
from services.orchestrator.deciders.order.state import Delivered, LoadPlan, Review, State, machines
from services.orchestrator.deciders.refusal import violated

__all__ = ["DECIDER", "Delivered", "LoadPlan", "Review", "State"]

_WISHES: Mapping[str, Callable[[State, OrderCommand], Message | None]] = {
    "receive": receiving.receive,
    "amend": amending.amend,
    "await_validation": receiving.await_validation,
    "record_validation": receiving.record_validation,
    "conclude_validation": receiving.conclude_validation,
    "hold": receiving.hold,
    "resume": receiving.resume,
    "plan": riding.plan,
    "unplan": riding.unplan,
    "record_dispatch": riding.record_dispatch,
    "record_pickup": riding.record_pickup,
    "record_delivery": riding.record_delivery,
    "open_review": billing.open_review,
    "release_billing": billing.release_billing,
    "record_invoice": billing.record_invoice,
    "close": billing.close,
    "cancel": cancelling.cancel,
    "confirm_cancel": cancelling.confirm_cancel,
    "apply_hold": ending.apply_hold,
    "lift_hold": ending.lift_hold,
    "record_cold_chain": cold_chain.record,
    "record_excursion_decision": cold_chain.record_decision,
    "charge": charging.charge,
    "waive_charge": charging.waive,
    "record_eta": estimates.record,
    "dispose": disposing.dispose,
    "lay_disposition": disposing.lay,
    "unlay_disposition": disposing.unlay,
    "record_return": disposing.record_return,
    "claim": crediting.claim,
    "decide_claim": crediting.decide_claim,
    "record_credit": crediting.record_credit,
    "waive_check": waiving.waive,
    "retract_pickup": retracting.retract_pickup,
    "retract_delivery": retracting.retract_delivery,
}


def _decide(state: State, command: OrderCommand) -> Message | None:
    wish = command.WhichOneof("body")
    if wish is None:
        raise violated("body", "the command asks for nothing; set its body")
    return _WISHES[wish](state, command)


DECIDER: Decider[State, OrderCommand, OrderEvent] = Decider(
    envelope=OrderEvent, initial=State(), decide=_decide, evolve=evolve, machines=machines
)
"""The decider of an order."""

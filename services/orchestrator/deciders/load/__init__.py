"""The load: what one vehicle carries out, stop by stop (domain reference 3.2 and 3.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from google.protobuf.message import Message

from gladhand.decider import Decider
from logistics.load.v1 import LoadCommand, LoadEvent
from services.orchestrator.deciders.load import (
    appointing,
    changing,
    completing,
    custody,
    ending,
    estimates,
    facts,
    hours,
    planning,
    proposals,
    reassigning,
    retracting,
    tendering,
)
from services.orchestrator.deciders.load.evolve import evolve
from services.orchestrator.deciders.load.road import derive
from services.orchestrator.deciders.load.state import State, machines
from services.orchestrator.deciders.refusal import violated

__all__ = ["DECIDER", "State", "derive"]

_WISHES: Mapping[str, Callable[[State, LoadCommand], Message | None]] = {
    "plan": planning.plan,
    "assign": planning.assign,
    "unassign": planning.unassign,
    "dispatch": planning.dispatch,
    "approach_stop": facts.approach,
    "arrive_stop": facts.arrive,
    "begin_service": facts.begin_service,
    "complete_stop": completing.complete,
    "depart_stop": facts.depart,
    "fail_stop": facts.fail,
    "skip_stop": facts.skip,
    "drop_order": planning.drop_order,
    "replan": planning.replan,
    "interrupt": ending.interrupt,
    "resume": ending.resume,
    "cancel": ending.cancel,
    "confirm_cancel": ending.confirm_cancel,
    "apply_hold": ending.apply_hold,
    "lift_hold": ending.lift_hold,
    "bring_back": changing.bring_back,
    "change_cargo": changing.change_cargo,
    "set_appointment": appointing.set_appointment,
    "estimate_arrival": estimates.estimate,
    "request_reassignment": reassigning.request,
    "reassign": reassigning.reassign,
    "fail_reassignment": reassigning.fail,
    "hand_over": custody.hand_over,
    "check_hours": hours.check,
    "override_hours": hours.override,
    "propose_plan": proposals.propose,
    "accept_plan": proposals.accept,
    "withdraw_plan": proposals.withdraw,
    "retract_fact": retracting.retract,
    "offer": tendering.offer,
    "tender_sent": tendering.record_sent,
    "tender_undelivered": tendering.record_undelivered,
    "answer_tender": tendering.answer,
    "award_tender": tendering.award,
    "expire_tenders": tendering.expire,
    "withdraw_tenders": tendering.withdraw,
}


def _decide(state: State, command: LoadCommand) -> Message | None:
    wish = command.WhichOneof("body")
    if wish is None:
        raise violated("body", "the command asks for nothing; set its body")
    return _WISHES[wish](state, command)


DECIDER: Decider[State, LoadCommand, LoadEvent] = Decider(
    envelope=LoadEvent, initial=State(), decide=_decide, evolve=evolve, machines=machines
)
"""The decider of a load."""

"""What a load needs next, from its own state alone (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from gladhand.enums import short_name
from logistics.load.v1 import Load, LoadState
from services.orchestrator.deciders.load.custody import on_board_lines
from services.orchestrator.deciders.load.reassigning import moves_nothing
from services.orchestrator.deciders.load.road import ON_THE_ROAD


@dataclass(frozen=True, slots=True)
class FindCarrier:
    """Go on asking carriers; what exactly is another phase's to say."""


@dataclass(frozen=True, slots=True)
class Assign:
    """Ask the fleet for vehicle and driver, or have it note those that the carrier sends."""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Ask the fleet to send them out."""


@dataclass(frozen=True, slots=True)
class Free:
    """Tell the fleet that vehicle and driver are free."""


@dataclass(frozen=True, slots=True)
class TakeBack:
    """Tell the fleet that the load is cancelled."""


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Ask the fleet to call a dispatched vehicle back, since nothing is left to carry."""


@dataclass(frozen=True, slots=True)
class CheckHours:
    """Judge whether the driver has hours enough."""


@dataclass(frozen=True, slots=True)
class Reassign:
    """Ask the fleet to give the load to another vehicle or driver, which ends the dispatch of the old one."""


@dataclass(frozen=True, slots=True)
class DispatchAnew:
    """Ask the fleet to send out who takes over."""


@dataclass(frozen=True, slots=True)
class HandOver:
    """Record that the load goes on, since no goods have to change vehicles."""


@dataclass(frozen=True, slots=True)
class OfferPlan:
    """Ask the fleet to acknowledge a proposed plan, or let it expire."""


@dataclass(frozen=True, slots=True)
class Rest:
    """Nothing to do until something happens on the road, or a person decides."""

    reason: str


Step: TypeAlias = (
    FindCarrier
    | Assign
    | Dispatch
    | Free
    | TakeBack
    | Withdraw
    | CheckHours
    | Reassign
    | DispatchAnew
    | HandOver
    | OfferPlan
    | Rest
)

_ENDING: Mapping[int, type[Free | TakeBack | Withdraw]] = {
    LoadState.LOAD_STATE_COMPLETED: Free,
    LoadState.LOAD_STATE_CANCELLED: TakeBack,
    LoadState.LOAD_STATE_CANCEL_REQUESTED: Withdraw,
}


def phase(load: Load, *, dispatch_blocked: bool, asks_carriers: bool = False, hours_due: bool = False) -> Step:
    """Return what a load needs next.

    `dispatch_blocked`: a hold, or an order that is not wholly planned. `asks_carriers`: nobody of the own fleet is
    named before carriers had their say. `hours_due`: the policy wants the hours of the driver in charge to be judged
    before dispatch.
    """
    if asks_carriers:
        return FindCarrier()
    if load.state in {LoadState.LOAD_STATE_PLANNED, LoadState.LOAD_STATE_ACCEPTED}:
        return Assign()
    if load.state == LoadState.LOAD_STATE_ASSIGNED:
        if dispatch_blocked:
            return Rest("a hold or an order that is not wholly planned blocks dispatch")
        return CheckHours() if hours_due else Dispatch()
    if load.state == LoadState.LOAD_STATE_REASSIGNING:
        return _taking_over(load, dispatch_blocked=dispatch_blocked, hours_due=hours_due)
    if load.state == LoadState.LOAD_STATE_INTERRUPTED and load.HasField("reassignment"):
        return Reassign()
    if load.HasField("proposal") and (load.state in ON_THE_ROAD or load.state == LoadState.LOAD_STATE_INTERRUPTED):
        return OfferPlan()
    ending = _ENDING.get(load.state)
    return ending() if ending is not None else Rest(short_name(LoadState, load.state).lower())


def _taking_over(load: Load, *, dispatch_blocked: bool, hours_due: bool) -> Step:
    """Return what a load needs whose new vehicle is named and does not have the goods yet."""
    if not load.assignments[-1].dispatch_reference:
        if dispatch_blocked:
            return Rest("a hold blocks the dispatch of the new vehicle")
        return CheckHours() if hours_due else DispatchAnew()
    if moves_nothing(load) or not on_board_lines(load):
        return HandOver()
    return Rest("the goods are to be handed over")

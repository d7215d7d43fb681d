"""What a load needs next, from its own state alone (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from gladhand.enums import short_name
from logistics.load.v1 import Load, LoadState


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
class Rest:
    """Nothing to do until something happens on the road, or a person decides."""

    reason: str


Step: TypeAlias = FindCarrier | Assign | Dispatch | Free | TakeBack | Withdraw | Rest


def phase(load: Load, *, dispatch_blocked: bool, asks_carriers: bool = False) -> Step:
    """Return what a load needs next.

    `dispatch_blocked`: a hold, or an order that is not wholly planned. `asks_carriers`: nobody of the own fleet is
    named before carriers had their say.
    """
    if asks_carriers:
        return FindCarrier()
    if load.state in {LoadState.LOAD_STATE_PLANNED, LoadState.LOAD_STATE_ACCEPTED}:
        return Assign()
    if load.state == LoadState.LOAD_STATE_ASSIGNED:
        return Rest("a hold or an order that is not wholly planned blocks dispatch") if dispatch_blocked else Dispatch()
    if load.state == LoadState.LOAD_STATE_COMPLETED:
        return Free()
    if load.state == LoadState.LOAD_STATE_CANCELLED:
        return TakeBack()
    if load.state == LoadState.LOAD_STATE_CANCEL_REQUESTED:
        return Withdraw()
    return Rest(short_name(LoadState, load.state).lower())

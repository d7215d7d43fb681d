"""How deciders refuse: always with a reason of the contract, the state that stands in the way, and the remedy."""

from __future__ import annotations

from gladhand.decider import Rejected
from gladhand.enums import EnumType, short_name
from logistics.error.v1 import ErrorReason


def refused(reason: ErrorReason.ValueType, message: str, **metadata: str) -> Rejected:
    """Return a refusal."""
    return Rejected(reason, message, metadata)


def violated(field: str, message: str, **metadata: str) -> Rejected:
    """Return the refusal of a command whose content breaks a rule; `field` names what is wrong."""
    return refused(ErrorReason.ERROR_REASON_CONTRACT_VIOLATION, message, field=field, **metadata)


def no_way(what: str, enum: EnumType, state: int, wish: str, remedy: str) -> Rejected:
    """Return the refusal of a wish that the present state has no way for.

    `what` is the noun of the aggregate, `enum` and `state` say where it stands, `remedy` what would help.
    """
    return refused(
        ErrorReason.ERROR_REASON_TRANSITION_NOT_ALLOWED,
        f"{wish} is not possible while the {what} is {short_name(enum, state)}; {remedy}",
        state=enum.DESCRIPTOR.values_by_number[state].name,
        wish=wish,
        remedy=remedy,
    )

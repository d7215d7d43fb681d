"""Names of enum values as people read them (pure)."""

from __future__ import annotations

from functools import cache
from typing import Protocol

from google.protobuf.descriptor import EnumDescriptor

__all__ = ["EnumType", "short_name"]


class EnumType(Protocol):
    """A generated enum, for example `OrderState`: whatever carries an enum's descriptor."""

    @property
    def DESCRIPTOR(self) -> EnumDescriptor:
        """The enum's descriptor."""
        ...


def short_name(enum: EnumType, value: int) -> str:
    """Return a value's name without the enum's own, for example "RELEASED" of ORDER_STATE_RELEASED.

    A number that this release of the contract does not know stays a number: enums are open.
    """
    known = enum.DESCRIPTOR.values_by_number.get(value)
    return str(value) if known is None else known.name.removeprefix(_prefix(enum.DESCRIPTOR))


@cache
def _prefix(enum: EnumDescriptor) -> str:
    """Value names begin with the enum's own: the contract's lint asks for `…_UNSPECIFIED` at zero."""
    return enum.values_by_number[0].name.removesuffix("UNSPECIFIED")

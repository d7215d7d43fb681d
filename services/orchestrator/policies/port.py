"""Which process policy applies: to an order, and to what concerns no order in particular."""

from __future__ import annotations

from typing import Protocol

from logistics.order.v1 import Order
from logistics.process.v1 import ProcessPolicy


class Policies(Protocol):
    """Where the processes learn what is demanded of them. Every answer is complete; nobody changes it in place."""

    def at_receipt(self, order: Order) -> ProcessPolicy:
        """Return the policy under which an order that is received now will run."""
        ...

    def of(self, order: Order) -> ProcessPolicy:
        """Return the policy under which a recorded order runs: the one of its `policy_version`."""
        ...

    def in_region(self, region: str) -> ProcessPolicy:
        """Return the policy in force for what concerns no order in particular, such as loads and waves."""
        ...


class FixedPolicies:
    """The same policy for everything."""

    def __init__(self, policy: ProcessPolicy) -> None:
        self._policy = policy

    def at_receipt(self, order: Order) -> ProcessPolicy:  # noqa: ARG002 - the same for every order
        """Return the one policy."""
        return self._policy

    def of(self, order: Order) -> ProcessPolicy:  # noqa: ARG002 - the same for every order
        """Return the one policy."""
        return self._policy

    def in_region(self, region: str) -> ProcessPolicy:  # noqa: ARG002 - the same for every region
        """Return the one policy."""
        return self._policy


def label_of(policy: ProcessPolicy) -> str:
    """Return how events and orders name a policy: its layers, each `<name>@<version>`, joined by `+`."""
    return "+".join(policy.layers) or f"{policy.name}@{policy.version}"

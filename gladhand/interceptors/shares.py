"""How many calls one client may have in hand at once, so that it cannot hold the whole server with calls that wait."""

from __future__ import annotations

from gladhand.calls import Call
from gladhand.errors import ResourceFull
from gladhand.security.principal import Proof

__all__ = ["Shares"]

_PAUSE_S = 1.0
"""Seconds after which a client may try again; its own calls have to end first."""


class Shares:
    """Counts the calls in hand by client: streams that follow without end, and calls that wait for something.

    How often a client calls is the gate's business; this is for what stays. Services of the mesh work for many and are
    not counted, nor is anybody where nobody is asked who he is.
    """

    def __init__(self, most: int) -> None:
        """`most`: calls of one client at once, on this server."""
        self.most = most
        self._held: dict[str, int] = {}

    def take(self, call: Call) -> None:
        """Count a call that was let in. Raises ResourceFull where its client holds its share already."""
        caller = call.caller
        if caller is None or caller.is_service or caller.proof is Proof.NOTHING:
            return
        held = self._held.get(caller.name, 0)
        if held >= self.most:
            raise ResourceFull(
                f"the caller has {held} calls in hand, and more it may not; end some first",
                reason="RATE_LIMITED",
                metadata={"in_hand": str(held), "method": call.method.path},
                retry_after_s=_PAUSE_S,
            )
        self._held[caller.name] = held + 1
        call.counted = True

    def give_back(self, call: Call) -> None:
        """Forget a call that ended; nothing happens for one that was not counted."""
        if not call.counted or call.caller is None:
            return
        call.counted = False
        left = self._held[call.caller.name] - 1
        if left:
            self._held[call.caller.name] = left
        else:
            del self._held[call.caller.name]

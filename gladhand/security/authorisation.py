"""Whether a caller may call a method at all, and whose objects it may see then (pure)."""

from __future__ import annotations

from gladhand.errors import PermissionDenied, Unauthenticated
from gladhand.policy import Idempotency, MethodContract
from gladhand.security.principal import Party, Principal, Proof
from logistics.contract.v1.method_pb2 import AUDIENCE_UNSPECIFIED, Audience

__all__ = ["permit", "visible_party"]


def permit(method: MethodContract, caller: Principal) -> None:
    """Let a caller pass or raise PermissionDenied: by audience, by scope, and by party where the method reads.

    The message names what is missing and nothing of the object that was asked for.
    """
    if caller.proof is Proof.NOTHING:
        return
    if caller.is_service:
        if method.service in caller.calls or method.path.removeprefix("/") in caller.calls:
            return
        raise PermissionDenied(
            f"the contract does not let {caller.name} call {method.path.removeprefix('/')}",
            metadata={"method": method.path, "identity": caller.name},
        )
    if method.audience.isdisjoint(caller.audiences):
        open_to = ", ".join(sorted(_word(audience) for audience in method.audience))
        raise PermissionDenied(
            f"{method.path} is open to {open_to} callers, and {_kind(caller)} is none",
            metadata={"method": method.path, "audience": open_to},
        )
    if caller.scopes is not None and method.scopes.isdisjoint(caller.scopes):
        wanted = " or ".join(sorted(method.scopes))
        raise PermissionDenied(
            f"{method.path} needs the scope {wanted}, which {_kind(caller)} lacks",
            metadata={"method": method.path, "scope": wanted},
        )
    if method.idempotency is Idempotency.NO_SIDE_EFFECTS:
        visible_party(caller)


def visible_party(caller: Principal | None) -> Party | None:
    """Return the party whose objects alone the caller may see, None where it may see all.

    Raises PermissionDenied for a partner or customer whose token names no party: it may see nothing, and says so
    rather than showing empty lists. Raises Unauthenticated where nobody asked who calls.
    """
    if caller is None:
        raise Unauthenticated("nobody asked who calls")
    if caller.sees_all:
        return None
    if caller.party is None:
        raise PermissionDenied(
            "the token names no party whose objects it may see; get one with the claim party",
            metadata={"claim": "party"},
        )
    return caller.party


def _kind(caller: Principal) -> str:
    return "the token" if caller.proof is Proof.TOKEN else f"the identity {caller.name}"


def _word(audience: int) -> str:
    known = Audience.DESCRIPTOR.values_by_number.get(audience or AUDIENCE_UNSPECIFIED)
    return str(audience) if known is None else known.name.removeprefix("AUDIENCE_").lower()

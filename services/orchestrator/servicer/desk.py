"""What every part of the service stands on."""

from __future__ import annotations

from dataclasses import dataclass

from gladhand.calls import Call, current_call
from gladhand.clock import Clock
from gladhand.errors import PermissionDenied
from gladhand.log.port import EventStore
from gladhand.security.authorisation import visible_party
from gladhand.security.principal import Party, Proof
from logistics.orchestrator.v1.orchestrator_service_pb2_grpc import OrchestratorServiceServicer
from logistics.type.v1 import Actor, ActorKind
from services.orchestrator.erps import ErpGateways
from services.orchestrator.journal import Cause, Journal
from services.orchestrator.policies import Policies
from services.orchestrator.processes.cold_chain import ColdChain
from services.orchestrator.processes.fulfilment import FulfilmentDriver
from services.orchestrator.processes.holds import Blocks, HoldRipple
from services.orchestrator.processes.payables import PayableDriver
from services.orchestrator.processes.planning import Planning
from services.orchestrator.processes.proofs import Proofs
from services.orchestrator.processes.replanning import Replanning
from services.orchestrator.processes.resolutions import Resolutions
from services.orchestrator.processes.tendering import Tendering
from services.orchestrator.processes.waivers import Waivers
from services.orchestrator.read_model import ReadModel


@dataclass(frozen=True, slots=True)
class Desk:
    """The parts that methods call."""

    journal: Journal
    store: EventStore
    read_model: ReadModel
    fulfilment: FulfilmentDriver
    planning: Planning
    proofs: Proofs
    holds: HoldRipple
    blocks: Blocks
    waivers: Waivers
    resolutions: Resolutions
    payables: PayableDriver
    clock: Clock
    cold_chain: ColdChain
    policies: Policies
    replanning: Replanning
    tendering: Tendering
    erps: ErpGateways


class Methods(OrchestratorServiceServicer):
    """Base of the parts of the service."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk


def cause_of(request_id: str, *, region: str = "", correlation_id: str = "", person: str = "") -> Cause:
    """Return the cause of a command that a caller gives; `person` is who gives it through the caller, if anybody."""
    return Cause(
        request_id=request_id,
        region=region,
        correlation_id=correlation_id,
        actor=Actor(kind=ActorKind.ACTOR_KIND_PERSON, id=person) if person else _actor(current_call()),
    )


def proven() -> str:
    """Return the name that the caller of the call being served has proven, empty where the mesh asks for no proof.

    What a caller writes about itself is no proof: where two people are needed, this name alone counts.
    """
    caller = current_call().caller
    return "" if caller is None or caller.proof is Proof.NOTHING else caller.name


def who() -> str:
    """Return the name of the caller as it stands on what it decides."""
    return proven() or current_call().principal or "internal"


def check_scope(scope: str, what: str) -> None:
    """Let pass whoever holds a scope that a policy demands beside the method's own.

    Raises PermissionDenied. A service of the mesh holds no scope: what a policy reserves is for people.
    """
    caller = current_call().caller
    if caller is None or caller.proof is Proof.NOTHING:
        return
    if caller.is_service or (caller.scopes is not None and scope not in caller.scopes):
        raise PermissionDenied(
            f"the policy lets only holders of the scope {scope} {what}, and {caller.name} is none",
            metadata={"scope": scope},
        )


def whose() -> Party | None:
    """Return the party whose objects alone the call being served may show, None where it may show all.

    Every method that is open to partners or customers asks this, and hands it to the query.
    """
    return visible_party(current_call().caller)


def _actor(call: Call) -> Actor:
    caller = call.caller
    if caller is None or caller.proof is not Proof.TOKEN:
        return Actor(kind=ActorKind.ACTOR_KIND_SERVICE, id=call.principal or "internal")
    kind = ActorKind.ACTOR_KIND_PERSON if caller.sees_all else ActorKind.ACTOR_KIND_PARTNER
    return Actor(kind=kind, id=caller.name)

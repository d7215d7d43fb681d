"""Whether policies keep the properties that hold in every state; where one does not, the shortest way to the harm."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

from google.protobuf.duration_pb2 import Duration

from gladhand.enums import short_name
from gladhand.errors import FailedPrecondition, Precondition
from logistics.exception.v1 import ExceptionKind, HoldKind
from logistics.invoice.v1 import GateCheckKind
from logistics.process.v1 import PolicyLayer, PolicyLayerKind, ProcessPolicy, TenderMode
from services.orchestrator.policies.book import PolicyBook
from services.orchestrator.policies.layering import effective, laid, rank
from services.orchestrator.policies.port import label_of
from services.orchestrator.policies.rehearsal import WEAK, refusals, rehearse, waiver_refused

_DISPATCH_LEAD_S = 3600
_RESPOND_WITHIN_S = 1800
_ASKING = frozenset(
    {
        TenderMode.TENDER_MODE_WATERFALL,
        TenderMode.TENDER_MODE_BROADCAST_FIRST,
        TenderMode.TENDER_MODE_BROADCAST_BEST,
    }
)


@dataclass(frozen=True, slots=True)
class Harm:
    """A property of the contract that would break, the shortest way there, and what would help."""

    number: int
    """1: no billing without proof or a waiver by a named role. 6: an end is reachable from every state."""
    words: str
    way: tuple[str, ...]
    remedy: str

    def __str__(self) -> str:
        way = "; ".join(f"{step}. {told}" for step, told in enumerate(self.way, 1))
        return f"{self.words} (property {self.number}): {way}. Remedy: {self.remedy}"


class PolicyUnsafe(FailedPrecondition):
    """A policy that would break a property; the message holds the shortest way to the harm."""

    def __init__(self, label: str, harm: Harm) -> None:
        message = f"policy {label} is not safe: {harm}"
        super().__init__(
            message,
            preconditions=(Precondition("POLICY_UNSAFE", label, str(harm)),),
            reason="POLICY_UNSAFE",
            metadata={"property": str(harm.number), "policy": label},
        )


def examine(book: PolicyBook, layer: PolicyLayer) -> tuple[str, ...]:
    """Look at every policy that an order may get with a layer of the book; return their labels.

    Raises PolicyUnsafe with the first harm, of the policy with the fewest layers.
    """
    seen: set[bytes] = set()
    labels = []
    for layers in _together(book, layer):
        policy, sources = effective(layers), laid(layers).origins
        label = label_of(policy)
        labels.append(label)
        content = ProcessPolicy()
        content.CopyFrom(policy)
        content.name, content.version = "any", 1
        del content.layers[:]
        allowed = _by_customer(layers, sources)
        key = content.SerializeToString(deterministic=True) + bytes([allowed])
        if key not in seen:
            seen.add(key)
            harm = harm_of(policy, weak_allowed=allowed)
            if harm is not None:
                raise PolicyUnsafe(label, harm)
    return tuple(labels)


def harm_of(policy: ProcessPolicy, *, weak_allowed: bool = False) -> Harm | None:
    """Return a harm that a policy does, None where it does none.

    `weak_allowed`: the customer itself accepts proofs that nobody at its door had a part in.
    """
    for found in (_ambiguous(policy), _waivers(policy), _tenders(policy)):
        if found is not None:
            return found
    return _delivery(policy, weak_allowed=weak_allowed)


def _delivery(policy: ProcessPolicy, *, weak_allowed: bool) -> Harm | None:
    played = rehearse(policy)
    for scene in played.scenes:
        proved = any(there.proof_verified for there in scene.order.deliveries.values())
        by_waiver = GateCheckKind.GATE_CHECK_KIND_POD_VERIFIED in scene.waived
        if scene.billable and not by_waiver and (not proved or (scene.proved_by in WEAK and not weak_allowed)):
            return Harm(
                1,
                "an order is billed on a proof in which nobody at the door had a part",
                scene.way,
                "take EDI_ONLY and GEOFENCE_ONLY out of pod_methods, or let a customer's own layer accept them",
            )
    if played.stuck:
        scene = played.stuck[0]
        return Harm(
            6,
            "a delivered order can never be billed",
            (*scene.way, *refusals(policy), f"nothing that anybody can do lets it end: {scene.shut}"),
            "name a pod_method that can fulfil the policy's own demands, or a waiver rule for POD_VERIFIED",
        )
    return None


def _waivers(policy: ProcessPolicy) -> Harm | None:
    for rule in policy.billing.waivers:
        scene = waiver_refused(policy, rule.check)
        if scene is not None:
            return Harm(
                1,
                f"billing.waivers lets {rule.scope} waive {short_name(GateCheckKind, rule.check)}, which nobody may",
                (*scene.way, f"the order refuses: {scene.shut}"),
                "take the rule out; a hold is released, a quantity is decided in the delivery review",
            )
    return None


def _tenders(policy: ProcessPolicy) -> Harm | None:
    tender = policy.tender
    if tender.mode not in _ASKING:
        return None
    mode = short_name(TenderMode, tender.mode)
    if not tender.carriers and not tender.fall_back_to_own_fleet:
        return Harm(
            6,
            "a planned load is never driven",
            ("a load is planned", f"{mode} asks the next carrier: there is none", "the own fleet is not asked either"),
            "name tender.carriers, or set tender.fall_back_to_own_fleet, or mode OWN_FLEET",
        )
    lead = _seconds(policy.milestones.dispatch_lead, _DISPATCH_LEAD_S)
    usual = _seconds(tender.respond_within, _RESPOND_WITHIN_S)
    for terms in tender.carriers:
        patience = _seconds(terms.respond_within, usual)
        if patience > lead:
            return Harm(
                6,
                "a load misses its dispatch before the carrier's time is up",
                (
                    f"a load is offered to {terms.carrier_scac}, which may think for {patience} s",
                    f"{lead} s before pickup the load must be dispatched, and nobody has answered",
                    "the offer is still open, so that no other carrier may be asked",
                ),
                "make tender.respond_within no longer than milestones.dispatch_lead",
            )
    return None


def _ambiguous(policy: ProcessPolicy) -> Harm | None:
    """Two rules for one kind: which one holds would depend on who reads them."""
    told: Iterable[tuple[str, list[str]]] = (
        ("holds", [short_name(HoldKind, rule.kind) for rule in policy.holds]),
        ("billing.waivers", [short_name(GateCheckKind, rule.check) for rule in policy.billing.waivers]),
        ("exceptions", [short_name(ExceptionKind, rule.kind) for rule in policy.exceptions]),
        ("tender.carriers", [terms.carrier_scac for terms in policy.tender.carriers]),
    )
    for field, names in told:
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            return Harm(
                8,
                f"{field} holds two rules for {twice[0]}",
                (f"{twice[0]} comes up", "one reader takes the first rule, another the last"),
                "keep one of them",
            )
    return None


def _together(book: PolicyBook, layer: PolicyLayer) -> Iterator[list[PolicyLayer]]:
    """Return the layers of every policy that an order may get with a layer, those with few layers first."""
    kinds: dict[int, list[PolicyLayer | None]] = {}
    for each in book.in_force():
        kinds.setdefault(rank(each.target), [None]).append(each)
    kinds[PolicyLayerKind.POLICY_LAYER_KIND_DEFAULT].remove(None)
    kinds[rank(layer.target)] = [book.version(layer.name, 0)]
    chosen = [kinds[kind] for kind in sorted(kinds)]
    found = [[each for each in choice if each is not None] for choice in product(*chosen)]
    yield from sorted((layers for layers in found if _one_erp(layers)), key=len)


def _one_erp(layers: Iterable[PolicyLayer]) -> bool:
    return len({each.target.erp_instance for each in layers if each.target.erp_instance}) <= 1


def _by_customer(layers: Iterable[PolicyLayer], sources: Mapping[str, str]) -> bool:
    customers = {
        f"{each.name}@{each.version}"
        for each in layers
        if each.target.kind == PolicyLayerKind.POLICY_LAYER_KIND_CUSTOMER
    }
    return sources.get("pod_methods", "") in customers


def _seconds(told: Duration, otherwise: int) -> int:
    return told.seconds or otherwise

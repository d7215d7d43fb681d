"""Plays a delivery under a policy with the deciders, the phases and the checks that really decide, and looks where it
can lead (pure).

The world is small: one order of one line, one load, one delivery stop; a consignee who keeps all, some or nothing; a
driver who can prove the delivery in every way there is, and hand in another proof later; people who decide reviews and
waive what the policy lets them. Breadth first, so that the way to a harm is a shortest one.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from gladhand.decider import Rejected
from gladhand.enums import short_name
from gladhand.envelope import EnvelopeType
from logistics.invoice.v1 import GateCheck, GateCheckKind, GateResult, Invoice, InvoiceState
from logistics.load.v1 import Load, LoadState, Stop, StopKind, StopState, StopTask, StopTime
from logistics.order.v1 import (
    CheckResult,
    CloseOrder,
    ConcludeOrderValidation,
    LineMovement,
    LineQuantities,
    OpenOrderReview,
    Order,
    OrderCommand,
    OrderEvent,
    OrderLine,
    OrderState,
    PlanOrder,
    ReceiveOrder,
    RecordOrderDelivery,
    RecordOrderDispatch,
    RecordOrderPickup,
    RecordOrderValidation,
    ReleaseOrderBilling,
    ValidationCheck,
)
from logistics.pod.v1 import Artifact, ArtifactKind, PodLine, PodMethod, ProofOfDelivery
from logistics.process.v1 import ProcessPolicy
from logistics.type.v1 import Classifier, ExternalReference, GeoPoint, Quantity
from services.orchestrator.deciders import order
from services.orchestrator.phases import steps
from services.orchestrator.phases.billing import policy_checks
from services.orchestrator.phases.fulfilment import phase
from services.orchestrator.pod_checks import check_pod
from services.orchestrator.policies.port import label_of

WEAK = frozenset({PodMethod.POD_METHOD_EDI_ONLY, PodMethod.POD_METHOD_GEOFENCE_ONLY})
"""Ways of proving that nobody at the door had a part in."""

_ORDER = "018f0000-0000-7000-8000-00000000000a"
_LOAD = "018f0000-0000-7000-8000-0000000000c1"
_PICKUP = "018f0000-0000-7000-8000-0000000000d0"
_STOP = "018f0000-0000-7000-8000-0000000000d1"
_START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
_DOOR = GeoPoint(latitude=39.7392, longitude=-104.9903)
_KIND = EnvelopeType.of(OrderEvent)
_FILES = {
    PodMethod.POD_METHOD_SIGNATURE: ArtifactKind.ARTIFACT_KIND_SIGNATURE,
    PodMethod.POD_METHOD_PHOTO: ArtifactKind.ARTIFACT_KIND_PHOTO,
    PodMethod.POD_METHOD_PAPER_SCAN: ArtifactKind.ARTIFACT_KIND_DOCUMENT,
}
_METHODS = tuple(number for number in PodMethod.values() if number)
_DELIVERED = frozenset({OrderState.ORDER_STATE_DELIVERED, OrderState.ORDER_STATE_DELIVERY_REVIEW})
_ORDERED = 10
_MOST_STEPS = 32


@dataclass(frozen=True, slots=True)
class Scene:
    """Where the small world stands, and the way there in words."""

    order: order.State
    now: datetime = _START
    done: frozenset[str] = frozenset()
    proved_by: int = 0
    """The method of the proof that counts; 0 where none does."""
    waived: frozenset[int] = frozenset()
    """Checks that people let pass."""
    shut: str = ""
    """Why the process cannot go on."""
    way: tuple[str, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether the delivery is through the gate, or closed since nothing was kept."""
        return self.order.order is not None and self.order.order.state not in _DELIVERED

    @property
    def billable(self) -> bool:
        """Whether the billing gate has opened."""
        return self.order.order is not None and self.order.order.state == OrderState.ORDER_STATE_BILLABLE

    def key(self) -> object:
        """What makes two scenes the same: what happens next depends on nothing else."""
        shown = self.order.order
        verified = tuple(there.proof_verified for there in self.order.deliveries.values())
        kept = tuple(line.quantities.accepted.value for line in shown.lines) if shown is not None else ()
        state = shown.state if shown is not None else 0
        return state, verified, kept, self.order.review, self.proved_by, self.waived, self.done


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """Every scene that was reached, in the order of the length of its way, and from which no end can be reached."""

    scenes: tuple[Scene, ...]
    stuck: tuple[Scene, ...]


def rehearse(policy: ProcessPolicy) -> Rehearsal:
    """Play every delivery under a policy."""
    scenes: list[Scene] = []
    known: dict[object, int] = {}
    sources: dict[int, set[int]] = defaultdict(set)

    def meet(scene: Scene) -> int:
        key = scene.key()
        if key not in known:
            known[key] = len(scenes)
            scenes.append(scene)
            frontier.append(known[key])
        return known[key]

    frontier: deque[int] = deque()
    for kept in (_ORDERED, _ORDERED - 2, 0):
        meet(_driven(_delivered(policy, kept), policy))
    while frontier:
        index = frontier.popleft()
        if not scenes[index].ended:
            for move in _moves(scenes[index], policy):
                sources[meet(_driven(move, policy))].add(index)
    safe = {index for index, scene in enumerate(scenes) if scene.ended}
    ahead = deque(safe)
    while ahead:
        for source in sources[ahead.popleft()] - safe:
            safe.add(source)
            ahead.append(source)
    return Rehearsal(tuple(scenes), tuple(scene for index, scene in enumerate(scenes) if index not in safe))


def waiver_refused(policy: ProcessPolicy, check: GateCheckKind.ValueType) -> Scene | None:
    """Return the scene in which the order refuses a waiver that a policy promises, None where it lets it pass."""
    scene = _delivered(policy, _ORDERED)
    waiver = GateCheck(kind=check, result=GateResult.GATE_RESULT_WAIVED, waived_by="whoever may")
    command = _command(ReleaseOrderBilling(checks=[waiver]), scene.now)
    try:
        order.DECIDER.decide(scene.order, command)
    except Rejected as refusal:
        if refusal.reason == "NOT_PERMITTED":
            told = f"somebody waives {short_name(GateCheckKind, check)}"
            return replace(scene, way=(*scene.way, told), shut=refusal.message)
    return None


def refusals(policy: ProcessPolicy) -> tuple[str, ...]:
    """Return why each way of proving that a policy accepts is refused all the same, where it is."""
    told = ((method, refusal_of(policy, method, _ORDERED)) for method in policy.pod_methods)
    return tuple(f"proof by {short_name(PodMethod, method)}: refused, {why}" for method, why in told if why)


def refusal_of(policy: ProcessPolicy, method: PodMethod.ValueType, kept: int) -> str:
    """Return what is wrong with the best proof that there can be by one method; empty where nothing is."""
    checks = check_pod(_proof(kept, method), _load(), policy)
    return "; ".join(check.message for check in checks if check.result == CheckResult.CHECK_RESULT_FAIL)


def _delivered(policy: ProcessPolicy, kept: int) -> Scene:
    """Return the scene in which the vehicle has left the door and nobody has handed in a proof."""
    sold = Order(
        order_id=_ORDER,
        erp_instance="books",
        region="us",
        currency="USD",
        policy_version=label_of(policy),
        lines=[OrderLine(line_id="a", sku="CRATE", quantities=LineQuantities(ordered=_pieces(_ORDERED)))],
        references=[
            ExternalReference(system="books", type=kind, value="4711") for kind in policy.billing.required_references
        ],
    )
    sold.customer.name = "Consignee"
    scene = Scene(order.DECIDER.initial)
    for wish in (
        ReceiveOrder(order=sold, content_sha256="a"),
        RecordOrderValidation(checks=[ValidationCheck(result=CheckResult.CHECK_RESULT_PASS)]),
        ConcludeOrderValidation(),
        PlanOrder(load_id=_LOAD, line_ids=["a"], stop_ids=[_STOP]),
        RecordOrderDispatch(load_id=_LOAD, vehicle_id="truck"),
        RecordOrderPickup(
            load_id=_LOAD, stop_id=_PICKUP, lines=[LineMovement(line_id="a", quantity=_pieces(_ORDERED))]
        ),
        _delivery(kept, 0, verified=False),
    ):
        scene = _after(scene, wish)
    words = {_ORDERED: "everything is kept", 0: "everything is refused"}
    return replace(
        scene, now=_START + timedelta(hours=1), way=(f"delivered, {words.get(kept, 'two of ten are refused')}",)
    )


def _moves(scene: Scene, policy: ProcessPolicy) -> Iterator[Scene]:
    """Return what the road and people can do next."""
    shown = scene.order.order
    if shown is None:
        return
    kept = int(shown.lines[0].quantities.accepted.value or 0)
    if not scene.proved_by:
        for method in _METHODS:
            if not refusal_of(policy, method, kept):
                told = f"proof by {short_name(PodMethod, method)}: verified"
                proved = _after(scene, _delivery(kept, method, verified=True))
                yield replace(proved, proved_by=method, way=(*scene.way, told))
    if scene.order.review is not None and not scene.order.review.decided:
        wish = OpenOrderReview(reason=scene.order.review.reason, decided=True)
        yield replace(_after(scene, wish), way=(*scene.way, "a person decides the review"))
    for rule in policy.billing.waivers:
        if rule.check not in scene.waived:
            told = f"{rule.scope} waives {short_name(GateCheckKind, rule.check)}"
            yield replace(scene, waived=scene.waived | {rule.check}, way=(*scene.way, told))


def _driven(scene: Scene, policy: ProcessPolicy) -> Scene:
    """Let the process of the order go on until it rests. Every call to the outside succeeds."""
    for _ in range(_MOST_STEPS):
        if scene.ended:
            return scene
        s = _situation(scene, policy)
        step = phase(s)
        if isinstance(step, steps.Wait):
            if step.until is None:
                return replace(scene, shut=step.reason)
            told = f"{step.until - scene.now} pass: {step.reason}"
            scene = replace(scene, now=step.until, way=(*scene.way, told))
        elif isinstance(step, steps.Outside):
            scene = replace(scene, done=scene.done | {step.key})
        else:
            try:
                scene = _performed(scene, step, s, policy)
            except Rejected as refusal:
                return replace(scene, shut=refusal.message)
    return replace(scene, shut=f"no rest after {_MOST_STEPS} steps")


def _performed(scene: Scene, step: steps.Inside, s: steps.Situation, policy: ProcessPolicy) -> Scene:
    match step:
        case steps.OpenReview():
            opened = _after(scene, OpenOrderReview(reason=step.reason, decided=step.decided))
            return replace(opened, way=(*scene.way, f"a review is opened: {step.reason}"))
        case steps.CloseOrder():
            return replace(_after(scene, CloseOrder(reason=step.reason)), way=(*scene.way, "the order is closed"))
        case steps.ReleaseBilling():
            brought = {check.kind: check for check in policy_checks(s)}
            for kind in scene.waived:
                waived = GateCheckKind.ValueType(kind)
                brought[waived] = GateCheck(kind=waived, result=GateResult.GATE_RESULT_WAIVED, waived_by="whoever may")
            wish = ReleaseOrderBilling(checks=brought.values(), policy_version=label_of(policy))
            return replace(_after(scene, wish), way=(*scene.way, "the billing gate opens"))
        case _:
            return scene


def _situation(scene: Scene, policy: ProcessPolicy) -> steps.Situation:
    return steps.Situation(
        order=scene.order.order or Order(),
        now=scene.now,
        policy=policy,
        begun=True,
        done=scene.done,
        invoice=Invoice(invoice_id="i", state=InvoiceState.INVOICE_STATE_NOT_READY),
        loads=(_load(),),
        completion_time=_START + timedelta(minutes=50),
    )


def _after(scene: Scene, wish: Message) -> Scene:
    decided = order.DECIDER.decide(scene.order, _command(wish, scene.now))
    if decided is None:
        return scene
    event = _KIND.wrap(decided)
    event.order_id = _ORDER
    return replace(scene, order=order.DECIDER.evolve(scene.order, event), shut="")


def _command(wish: Message, now: datetime) -> OrderCommand:
    command = OrderCommand(order_id=_ORDER, decide_time=_at(now))
    for choice in command.DESCRIPTOR.oneofs_by_name["body"].fields:
        if choice.message_type is wish.DESCRIPTOR:
            body: Message = getattr(command, choice.name)
            body.CopyFrom(wish)
            body.SetInParent()
    return command


def _delivery(kept: int, method: int, *, verified: bool) -> RecordOrderDelivery:
    line = LineMovement(
        line_id="a", quantity=_pieces(_ORDERED), accepted=_pieces(kept), rejected=_pieces(_ORDERED - kept)
    )
    pod_id = f"018f0000-0000-7000-8000-0000000000e{method}" if method else ""
    return RecordOrderDelivery(load_id=_LOAD, stop_id=_STOP, pod_id=pod_id, lines=[line], proof_verified=verified)


def _proof(kept: int, method: PodMethod.ValueType) -> ProofOfDelivery:
    """Return the best proof that there can be by one method alone."""
    line = PodLine(
        order_id=_ORDER,
        line_id="a",
        delivered=_pieces(_ORDERED),
        accepted=_pieces(kept),
        rejected=_pieces(_ORDERED - kept),
        reason="DAMAGED" if kept < _ORDERED else "",
    )
    proof = ProofOfDelivery(
        pod_id=_STOP,
        load_id=_LOAD,
        stop_id=_STOP,
        methods=[method],
        point=_DOOR,
        lines=[line],
        capture_time=_at(_START + timedelta(minutes=45)),
        signer_name="" if method in WEAK else "A. Clerk",
    )
    if method in _FILES:
        proof.artifacts.append(Artifact(kind=_FILES[method], object_name="file", sha256="0" * 64, size_bytes=1))
    return proof


def _load() -> Load:
    def seen(minutes: int) -> StopTime:
        return StopTime(time=_at(_START + timedelta(minutes=minutes)), classifier=Classifier.CLASSIFIER_ACTUAL)

    stop = Stop(
        stop_id=_STOP,
        kind=StopKind.STOP_KIND_DELIVERY,
        state=StopState.STOP_STATE_COMPLETED,
        tasks=[StopTask(order_id=_ORDER, line_id="a", expected=_pieces(_ORDERED))],
        arrival=seen(40),
        departure=seen(50),
        completion=seen(50),
    )
    stop.location.point.CopyFrom(_DOOR)
    return Load(load_id=_LOAD, region="us", state=LoadState.LOAD_STATE_COMPLETED, stops=[stop])


def _pieces(count: int) -> Quantity:
    return Quantity(value=str(count), unit_code="C62")


def _at(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp

"""Compares methods: what they take and give, and the policy that decides who may call them (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from google.protobuf.descriptor_pb2 import MethodDescriptorProto, MethodOptions

from gladhand.contracts.comparison.finding import ChangeKind, Finding
from gladhand.contracts.model import Contract, Method
from gladhand.contracts.place import Place
from gladhand.enums import short_name
from logistics.contract.v1 import method_pb2
from logistics.contract.v1.method_pb2 import MethodPolicy

_POLICY: int = method_pb2.policy.number
_BY_SHARE = (
    method_pb2.RATE_CLASS_BULK,
    method_pb2.RATE_CLASS_READ,
    method_pb2.RATE_CLASS_COMMAND,
    method_pb2.RATE_CLASS_FINANCE,
)
"""Rate classes from the largest share of a caller to the smallest, as the contract orders them."""

_STANDING = (
    method_pb2.LIFE_STAGE_ALPHA,
    method_pb2.LIFE_STAGE_BETA,
    method_pb2.LIFE_STAGE_STABLE,
)
"""Life stages before the end, by how much they promise."""


def compare(old: Contract, new: Contract, today: date | None) -> Iterator[Finding]:
    """Yield what changed about methods. Without `today` no sunset counts as past."""
    later = new.methods
    for name, method in old.methods.items():
        if name not in later:
            yield _removed(method, new, today)
        else:
            yield from _shape(method, later[name])
            yield from _policy(method, later[name])
    for name, method in later.items():
        if name not in old.methods:
            yield Finding("RPC_ADDED", ChangeKind.ADDED, name, f"the method {name} is new", method.place)


def _removed(method: Method, new: Contract, today: date | None) -> Finding:
    """A removed method breaks its callers in any case; what the stage adds is whether they could know."""
    service = new.services.get(method.service)
    place = service.place if service else Place(method.place.file) if method.place.file in new.files else None
    policy = method.policy or MethodPolicy()
    skipped = _skipped(policy, today)
    if skipped:
        sentence = f"the method {method.name} is gone and {skipped}"
        return Finding("STAGE_NO_SKIP", ChangeKind.BROKEN, method.name, sentence, place, method.place)
    sentence = f"the method {method.name} is gone, as its stage allowed: {_stage(policy.stage)} {policy.sunset_date}"
    return Finding("RPC_NO_DELETE", ChangeKind.BROKEN, method.name, sentence.rstrip(), place, method.place)


def _skipped(policy: MethodPolicy, today: date | None) -> str:
    """What a removal skipped; empty where the stage allowed it."""
    if policy.stage == method_pb2.LIFE_STAGE_ALPHA:
        return ""
    if policy.stage != method_pb2.LIFE_STAGE_DEPRECATED:
        return f"was {_stage(policy.stage)}: first declare it DEPRECATED with sunset_date and replacement"
    sunset = _day(policy.sunset_date)
    if sunset is None:
        return "was deprecated without a sunset_date: bring it back and give callers a date"
    if today is None or today <= sunset:
        return f"its sunset is {sunset}: keep it until that day has passed"
    return ""


def _shape(old: Method, new: Method) -> Iterator[Finding]:
    proto = MethodDescriptorProto
    for rule, noun, before, after, step in (
        ("RPC_SAME_REQUEST_TYPE", "request", old.request, new.request, proto.INPUT_TYPE_FIELD_NUMBER),
        ("RPC_SAME_RESPONSE_TYPE", "response", old.response, new.response, proto.OUTPUT_TYPE_FIELD_NUMBER),
        (
            "RPC_SAME_CLIENT_STREAMING",
            "streaming of requests",
            _yes(old.proto.client_streaming),
            _yes(new.proto.client_streaming),
            proto.CLIENT_STREAMING_FIELD_NUMBER,
        ),
        (
            "RPC_SAME_SERVER_STREAMING",
            "streaming of responses",
            _yes(old.proto.server_streaming),
            _yes(new.proto.server_streaming),
            proto.SERVER_STREAMING_FIELD_NUMBER,
        ),
    ):
        if before != after:
            sentence = f"the {noun} of {new.name} was {before} and is {after}: offer a method of another name beside it"
            yield Finding(rule, ChangeKind.BROKEN, new.name, sentence, new.place.at(step), old.place)
    if old.proto.options.idempotency_level != new.proto.options.idempotency_level:
        levels = MethodOptions.IdempotencyLevel
        was, now = old.proto.options.idempotency_level, new.proto.options.idempotency_level
        sentence = f"{new.name} was {levels.Name(was)} and is {levels.Name(now)}: clients repeat calls by it"
        place = new.option(MethodOptions.IDEMPOTENCY_LEVEL_FIELD_NUMBER)
        yield Finding("RPC_SAME_IDEMPOTENCY_LEVEL", ChangeKind.BROKEN, new.name, sentence, place, old.place)
    if new.proto.options.deprecated and not old.proto.options.deprecated:
        sentence = f"the method {new.name} is deprecated: it still answers"
        yield Finding("RPC_DEPRECATED", ChangeKind.DEPRECATED, new.name, sentence, new.place, old.place)


def _policy(old: Method, new: Method) -> Iterator[Finding]:
    if old.policy is None:
        if new.policy is not None:
            yield Finding(
                "POLICY_ADDED", ChangeKind.ADDED, new.name, f"{new.name} declares its policy now", new.option(_POLICY)
            )
        return
    if new.policy is None:
        sentence = (
            f"{new.name} declares no policy any more, so nothing says which of its callers may go on: put it back"
        )
        yield Finding("SCOPE_NO_ADD", ChangeKind.BROKEN, new.name, sentence, new.place, old.option(_POLICY))
        return
    for found in (_scopes, _audience, _rate_class, _timeout, _request_id, _stages):
        yield from found(new.name, old.policy, new.policy, new.option(_POLICY), old.option(_POLICY))


def _scopes(name: str, old: MethodPolicy, new: MethodPolicy, place: Place, was: Place) -> Iterator[Finding]:
    """Any of the scopes opens the method, so that a change in either direction hits somebody."""
    listed = list(new.scopes)
    for scope in sorted(set(new.scopes) - set(old.scopes)):
        sentence = (
            f"{name} opens to the scope {scope} too: its holders, whom nobody gave this right, may call it now; "
            "keep the scopes, or offer a method of its own for them"
        )
        where = place.at(MethodPolicy.SCOPES_FIELD_NUMBER, listed.index(scope))
        yield Finding("SCOPE_NO_ADD", ChangeKind.TIGHTENED, name, sentence, where, was)
    for scope in sorted(set(old.scopes) - set(new.scopes)):
        instead = ", ".join(sorted(set(new.scopes) - set(old.scopes)))
        needed = f"a token needs {instead} instead" if instead else "their tokens open it no more"
        sentence = f"{name} no longer takes the scope {scope}: its holders are refused, {needed}; keep it in the list"
        where = place.at(MethodPolicy.SCOPES_FIELD_NUMBER, 0)
        yield Finding("SCOPE_NO_ADD", ChangeKind.TIGHTENED, name, sentence, where, was)


def _audience(name: str, old: MethodPolicy, new: MethodPolicy, place: Place, was: Place) -> Iterator[Finding]:
    where = place.at(MethodPolicy.AUDIENCE_FIELD_NUMBER, 0)
    for audience in sorted(set(old.audience) - set(new.audience)):
        sentence = f"{name} is closed to the audience {_audience_name(audience)}: its callers are refused; keep it open"
        yield Finding("SCOPE_NO_ADD", ChangeKind.TIGHTENED, name, sentence, where, was)
    for audience in sorted(set(new.audience) - set(old.audience)):
        sentence = f"{name} opens to the audience {_audience_name(audience)}"
        yield Finding("AUDIENCE_ADDED", ChangeKind.LOOSENED, name, sentence, where, was)


def _rate_class(name: str, old: MethodPolicy, new: MethodPolicy, place: Place, was: Place) -> Iterator[Finding]:
    if old.rate_class == new.rate_class or not {old.rate_class, new.rate_class} <= set(_BY_SHARE):
        return
    names = (_rate(old.rate_class), _rate(new.rate_class))
    where = place.at(MethodPolicy.RATE_CLASS_FIELD_NUMBER)
    if _BY_SHARE.index(new.rate_class) > _BY_SHARE.index(old.rate_class):
        sentence = f"{name} falls from the rate class {names[0]} to {names[1]}: callers within their limits are refused"
        yield Finding("RATE_CLASS_NO_LOWER", ChangeKind.TIGHTENED, name, f"{sentence}; keep it", where, was)
    else:
        sentence = f"{name} rises from the rate class {names[0]} to {names[1]}: callers may ask more often"
        yield Finding("RATE_CLASS_RAISED", ChangeKind.LOOSENED, name, sentence, where, was)


def _timeout(name: str, old: MethodPolicy, new: MethodPolicy, place: Place, was: Place) -> Iterator[Finding]:
    before, after = _seconds(old), _seconds(new)
    where = place.at(MethodPolicy.TIMEOUT_FIELD_NUMBER)
    if after < before:
        sentence = f"calls of {name} without a deadline of their own get {_span(after)}, and had {_span(before)}"
        yield Finding("TIMEOUT_SHORTER", ChangeKind.TIGHTENED, name, sentence, where, was)
    elif after > before:
        sentence = f"calls of {name} without a deadline of their own get {_span(after)}, and had {_span(before)}"
        yield Finding("TIMEOUT_LONGER", ChangeKind.LOOSENED, name, sentence, where, was)


def _request_id(name: str, old: MethodPolicy, new: MethodPolicy, place: Place, was: Place) -> Iterator[Finding]:
    where = place.at(MethodPolicy.REQUIRES_REQUEST_ID_FIELD_NUMBER)
    if new.requires_request_id and not old.requires_request_id:
        sentence = f"{name} refuses requests without request_id, which it took: keep requires_request_id false"
        yield Finding("RULE_NO_TIGHTEN", ChangeKind.TIGHTENED, name, sentence, where, was)
    elif old.requires_request_id and not new.requires_request_id:
        sentence = f"{name} takes requests without request_id now: such a call has no effect that a repeat would find"
        yield Finding("REQUEST_ID_DROPPED", ChangeKind.LOOSENED, name, sentence, where, was)


def _stages(name: str, old: MethodPolicy, new: MethodPolicy, place: Place, was: Place) -> Iterator[Finding]:
    """A stage that falls back and a sunset that comes nearer would let a promised method vanish early."""
    deprecated = method_pb2.LIFE_STAGE_DEPRECATED
    stage, sunset = place.at(MethodPolicy.STAGE_FIELD_NUMBER), place.at(MethodPolicy.SUNSET_DATE_FIELD_NUMBER)
    if {old.stage, new.stage} <= set(_STANDING) and _STANDING.index(new.stage) < _STANDING.index(old.stage):
        sentence = (
            f"{name} falls back from {_stage(old.stage)} to {_stage(new.stage)}, which takes a promise back: "
            "a method leaves by DEPRECATED with a sunset_date"
        )
        yield Finding("STAGE_NO_SKIP", ChangeKind.TIGHTENED, name, sentence, stage, was)
    elif old.stage == deprecated and new.stage in {method_pb2.LIFE_STAGE_ALPHA, method_pb2.LIFE_STAGE_BETA}:
        sentence = f"{name} goes from DEPRECATED to {_stage(new.stage)}, where it may vanish before its sunset"
        yield Finding("STAGE_NO_SKIP", ChangeKind.TIGHTENED, name, sentence, stage, was)
    elif new.stage == deprecated and old.stage != deprecated:
        yield _deprecated(name, new, stage, was)
    elif new.stage != old.stage:
        sentence = f"{name} goes from {_stage(old.stage)} to {_stage(new.stage)}"
        yield Finding("STAGE_RAISED", ChangeKind.LOOSENED, name, sentence, stage, was)
    before, after = _day(old.sunset_date), _day(new.sunset_date)
    if old.stage == new.stage == deprecated and before and after and after < before:
        sentence = f"the sunset of {name} was {before} and is {after}: callers plan by it; keep the later date"
        yield Finding("STAGE_NO_SKIP", ChangeKind.TIGHTENED, name, sentence, sunset, was)


def _deprecated(name: str, policy: MethodPolicy, stage: Place, was: Place) -> Finding:
    instead = f"; {policy.replacement} takes over" if policy.replacement else ""
    sentence = f"{name} is deprecated and answers until {policy.sunset_date or 'a day not named'}{instead}"
    return Finding("RPC_DEPRECATED", ChangeKind.DEPRECATED, name, sentence, stage, was)


def _yes(streaming: bool) -> str:  # noqa: FBT001 - a word for it
    return "on" if streaming else "off"


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _seconds(policy: MethodPolicy) -> float:
    """The default deadline in seconds; without end where the method declares zero (MethodPolicy.timeout)."""
    if not policy.HasField("timeout"):
        return 10.0
    return policy.timeout.seconds + policy.timeout.nanos / 1e9 or float("inf")


def _span(seconds: float) -> str:
    return "no limit" if seconds == float("inf") else f"{seconds:g} s"


def _stage(value: int) -> str:
    return short_name(method_pb2.LifeStage, value)


def _rate(value: int) -> str:
    return short_name(method_pb2.RateClass, value)


def _audience_name(value: int) -> str:
    return short_name(method_pb2.Audience, value)

"""Whether a contract may be deployed beside what is live: who would be hit by which change, and why (pure).

A process is hit by a change of an element that it stands on: it reads the field, calls the method, or takes in or
sends the message around it. A change that breaks the contract and hits nobody who is live is told as such. Lifecycles
hold for what is decided and stored, not for what travels, so nobody is hit by them; they are broken policy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from gladhand.contracts.changes import Change, ChangeKind, compare
from gladhand.contracts.model import Contract, read
from gladhand.registry.footprint import Footprint, Use, footprint
from gladhand.registry.images import digest_of, normal
from logistics.contract.v1.registration_pb2 import Registration

__all__ = ["Hit", "Judged", "Verdict", "answers_for", "judge"]

Compare = Callable[[FileDescriptorSet, FileDescriptorSet], tuple[Change, ...]]

_POLICY = ("LIFECYCLE_",)
_RIGHT = "RIGHT_REMOVED"
_LESS = frozenset({ChangeKind.BROKEN, ChangeKind.TIGHTENED})


@dataclass(frozen=True, slots=True)
class Hit:
    """One change that breaks one consumer or caller."""

    change: Change
    uses: tuple[Use, ...]

    def __str__(self) -> str:
        return f"{'; '.join(str(use) for use in self.uses)}: {self.change.sentence}"


@dataclass(frozen=True, slots=True)
class Judged:
    """One kind of live process: the same name, contract and needs, in so many instances."""

    registration: Registration
    instances: tuple[str, ...]
    hits: tuple[Hit, ...]
    by_names: bool = False
    """Its own contract is not known, so only the names that it declares could be looked for."""

    @property
    def name(self) -> str:
        """The name of the process."""
        return self.registration.name


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the live processes would say to a contract."""

    digest: str
    judged: tuple[Judged, ...]
    harmless: tuple[Change, ...]
    """Changes that take something away which nobody who is live stands on."""

    policy: tuple[Change, ...]
    """Changes that hit nobody on the wire and break what the contract promises for what is decided and stored."""

    gained: tuple[Change, ...]
    """Changes that take nothing away."""

    @property
    def broken(self) -> tuple[Judged, ...]:
        """Those who would break."""
        return tuple(each for each in self.judged if each.hits)


def judge(
    new: FileDescriptorSet,
    registrations: Iterable[Registration],
    images: Mapping[str, FileDescriptorSet],
    concerns: Callable[[Use, Contract], bool] = lambda _use, _contract: True,
    differences: Compare = compare,
) -> Verdict:
    """Judge a contract against those who are live; `images` are their contracts by digest. All are normal; the
    new one may have positions.

    `concerns` says which uses count, given the new contract: a service answers for what it serves and publishes.
    """
    after, digest = read(new.file), digest_of(normal(new.file))
    changes = {known: differences(image, new) for known, image in images.items() if known != digest}
    footing = {known: read(image.file) for known, image in images.items() if known in changes}

    def hits(registration: Registration) -> tuple[Hit, ...]:
        known = registration.image_digest
        if known == digest:
            return ()
        if known in changes:
            stands = footprint(registration, footing[known])
            found = [
                Hit(change, _uses(change, stands))
                for change in changes[known]
                if _counts(change) and (change.rule != _RIGHT or _loses(registration, change, footing[known], after))
            ]
        else:
            found = [_gone(use) for use in sorted(footprint(registration, after).missing)]
        left = (Hit(hit.change, tuple(use for use in hit.uses if concerns(use, after))) for hit in found)
        return tuple(hit for hit in left if hit.uses)

    judged = tuple(
        Judged(
            same[0],
            tuple(each.instance for each in same),
            hits(same[0]),
            by_names=same[0].image_digest not in {digest, *changes},
        )
        for same in _alike(registrations)
    )
    every = list(dict.fromkeys(change for found in changes.values() for change in found))
    told = {hit.change for each in judged for hit in each.hits}
    return Verdict(
        digest=digest,
        judged=judged,
        harmless=tuple(each for each in every if each.kind in _LESS and _counts(each) and each not in told),
        policy=tuple(each for each in every if each.kind is ChangeKind.BROKEN and not _counts(each)),
        gained=tuple(each for each in every if each.kind not in _LESS),
    )


def answers_for(own: Registration) -> Callable[[Use, Contract], bool]:
    """Return which uses a service has to do with: methods that it serves, and events that it may publish.

    What a service publishes is its `ServicePolicy`; where one of its services declares none, it may be anything.
    """

    def concerns(use: Use, contract: Contract) -> bool:
        if not use.path:
            return use.of.partition("/")[0] in own.serves
        message = contract.messages.get(use.of)
        services = [contract.services[name].policy for name in own.serves if name in contract.services]
        policies = [policy for policy in services if policy is not None]
        if message is None or message.envelope is None or not policies or len(policies) < len(services):
            return True
        subjects = [subject.split(".") for policy in policies for subject in policy.publishes]
        return any(len(tokens) < 2 or tokens[1] in {message.envelope.aggregate, "*", ">"} for tokens in subjects)

    return concerns


def _counts(change: Change) -> bool:
    """Whether a change takes away something that travels."""
    return change.kind in _LESS and not change.rule.startswith(_POLICY)


def _loses(registration: Registration, change: Change, before: Contract, after: Contract) -> bool:
    """Whether it is this process that may no longer call something, and not another that calls the same."""

    def may(contract: Contract) -> bool:
        policies = (contract.services[name].policy for name in registration.serves if name in contract.services)
        return any(change.element in policy.calls for policy in policies if policy is not None)

    return may(before) and not may(after)


def _uses(change: Change, stands: Footprint) -> tuple[Use, ...]:
    uses = set(stands.sent.get(change.element, ()))
    if change.kind is ChangeKind.BROKEN:
        uses |= stands.received.get(change.element, set())
    return tuple(sorted(uses))


def _gone(use: Use) -> Hit:
    element = f"{use.of}.{use.path}" if use.path else use.of
    sentence = f"the contract does not have {element}"
    return Hit(Change("NOT_IN_CONTRACT", ChangeKind.BROKEN, element, sentence, "", None), (use,))


def _alike(registrations: Iterable[Registration]) -> Sequence[list[Registration]]:
    """Replicas together."""
    groups: dict[tuple[str, ...], list[Registration]] = {}
    for each in registrations:
        reads = (reading.SerializeToString(deterministic=True).hex() for reading in each.reads)
        key = (each.name, each.image_digest, *each.serves, "", *each.calls, "", *reads)
        groups.setdefault(key, []).append(each)
    return list(groups.values())

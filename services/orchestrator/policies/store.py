"""Policies in the bucket POLICIES: each version under a key that never changes, and one key for what is in force.

That there is only one such key makes applying atomic over all layers: two layers that are harmless alone and harmful
together cannot come into force beside each other, for the second finds the first and is checked against it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from gladhand.bus.port import AlreadyTaken, KeyValue
from gladhand.clock import Clock
from gladhand.errors import Conflict, Internal
from logistics.order.v1 import Order
from logistics.process.v1 import PoliciesInForce, PolicyInForce, PolicyLayer, ProcessPolicy
from logistics.type.v1 import Actor
from services.orchestrator.policies.book import PolicyBook
from services.orchestrator.policies.reading import DEFAULT, PolicyInvalid

BUCKET = "POLICIES"
_IN_FORCE = "IN_FORCE"
_ATTEMPTS = 8

Examination = Callable[[PolicyBook, PolicyLayer], tuple[str, ...]]
"""Looks whether a book in which a layer would be in force is safe; returns the labels of what it explored."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A layer that somebody wants in force, who and why. `expected_version` None means whatever is in force."""

    layer: PolicyLayer
    actor: Actor
    reason: str
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class Applied:
    """The layer that is in force now, whether this wish made it, and what was explored."""

    layer: PolicyLayer
    created: bool
    explored: tuple[str, ...]


class KeptPolicies:
    """`Policies` out of the bucket. `load` it before use and let `run` follow what comes into force."""

    def __init__(self, bucket: KeyValue, built_in: PolicyLayer, clock: Clock) -> None:
        self._bucket = bucket
        self._built_in = built_in
        self._clock = clock
        self._layers: dict[str, PolicyLayer] = {}
        self._revision = 0
        self.book = PolicyBook({DEFAULT: [built_in]})

    def at_receipt(self, order: Order) -> ProcessPolicy:
        """Return the policy under which an order that is received now will run; see `Policies.at_receipt`."""
        return self.book.at_receipt(order)

    def of(self, order: Order) -> ProcessPolicy:
        """Return the policy under which a recorded order runs; see `Policies.of`."""
        return self.book.of(order)

    def in_region(self, region: str) -> ProcessPolicy:
        """Return the policy for what concerns no order in particular; see `Policies.in_region`."""
        return self.book.in_region(region)

    async def load(self) -> PolicyBook:
        """Take over what is in force. Raises BusUnavailable, Internal where a version is missing."""
        entry = await self._bucket.get(_IN_FORCE)
        if entry is None or entry.revision <= self._revision:
            return self.book
        named = PoliciesInForce.FromString(entry.value)
        layers = {DEFAULT: [self._built_in]}
        for each in named.layers:
            found = [await self._version(each.name, version) for version in each.versions]
            layers[each.name] = [*layers.get(each.name, ()), *found]
        if entry.revision > self._revision:  # else somebody loaded a newer one meanwhile
            self._revision, self.book = entry.revision, PolicyBook(layers)
        return self.book

    async def run(self, stopping: asyncio.Event) -> None:
        """Follow what comes into force until `stopping` is set. Raises BusUnavailable."""
        stop = asyncio.ensure_future(stopping.wait())
        try:
            async with aclosing(self._bucket.watch(_IN_FORCE)) as changes:
                while not stopping.is_set():
                    ahead = asyncio.ensure_future(anext(changes))
                    await asyncio.wait({ahead, stop}, return_when=asyncio.FIRST_COMPLETED)
                    if not ahead.done():
                        ahead.cancel()
                        await asyncio.wait({ahead})
                        return
                    ahead.result()
                    await self.load()
        finally:
            stop.cancel()

    async def apply(self, wish: Wish, examine: Examination, *, check_only: bool = False) -> Applied:
        """Put a layer in force for orders that come from now on; the same content again makes nothing new.

        Raises Conflict where another version is in force than expected, PolicyInvalid where another layer is for the
        same orders, what `examine` raises, BusUnavailable, StreamFull.
        """
        for _ in range(_ATTEMPTS):
            book, revision = await self.load(), self._revision
            known = book.version(wish.layer.name, 0)
            if known is not None and known.content_sha256 == wish.layer.content_sha256:
                return Applied(known, created=False, explored=())
            current = known.version if known is not None else 0
            if wish.expected_version is not None and wish.expected_version != current:
                raise Conflict(
                    f"version {current} of {wish.layer.name} is in force, not {wish.expected_version}; read it, and "
                    "apply again on top of it",
                    metadata={"policy_id": f"{wish.layer.name}@{current}"},
                )
            check_alone(book, wish.layer)
            layer = self._signed(wish, current + 1)
            explored = await asyncio.to_thread(examine, book.with_layer(layer), layer)
            if check_only:
                return Applied(layer, created=False, explored=explored)
            layer = await self._keep(layer)
            if await self._put_in_force(book, layer, revision):
                await self.load()
                return Applied(layer, created=True, explored=explored)
        raise Conflict(f"others keep applying policies; apply {wish.layer.name} again")

    def _signed(self, wish: Wish, version: int) -> PolicyLayer:
        layer = PolicyLayer()
        layer.CopyFrom(wish.layer)
        layer.version = version
        layer.applied_by.CopyFrom(wish.actor)
        layer.apply_time.FromDatetime(self._clock.now())
        layer.reason = wish.reason
        return layer

    async def _keep(self, layer: PolicyLayer) -> PolicyLayer:
        """Store a version under the next number that is free: one that never came into force leaves a gap."""
        while True:
            try:
                await self._bucket.create(_key(layer.name, layer.version), layer.SerializeToString(deterministic=True))
            except AlreadyTaken:
                layer.version += 1
                continue
            return layer

    async def _put_in_force(self, book: PolicyBook, layer: PolicyLayer, revision: int) -> bool:
        named = PoliciesInForce()
        for each in book.with_layer(layer).in_force():
            versions = [found.version for found in book.with_layer(layer).versions(each.name)]
            if each.name == DEFAULT:
                versions.remove(self._built_in.version)
            if versions:
                named.layers.append(PolicyInForce(name=each.name, versions=versions))
        value = named.SerializeToString(deterministic=True)
        try:
            if revision:
                await self._bucket.update(_IN_FORCE, value, revision)
            else:
                await self._bucket.create(_IN_FORCE, value)
        except AlreadyTaken:
            return False
        return True

    async def _version(self, name: str, version: int) -> PolicyLayer:
        key = _key(name, version)
        if key not in self._layers:
            entry = await self._bucket.get(key)
            if entry is None:
                raise Internal(f"bucket {BUCKET} names {name}@{version} and does not hold it; restore key {key}")
            self._layers[key] = PolicyLayer.FromString(entry.value)
        return self._layers[key]


def check_alone(book: PolicyBook, layer: PolicyLayer) -> None:
    """Look that no other layer is for the same orders. Raises PolicyInvalid."""
    for other in book.in_force():
        if other.name != layer.name and other.target == layer.target:
            raise PolicyInvalid(
                f"layer {other.name} is for the same orders",
                field="for",
                remedy=f"change {other.name} instead, or name other orders",
                reason="POLICY_INVALID",
            )


def _key(name: str, version: int) -> str:
    return f"{name}.{version}"

"""How a process enters the registry, stays in it and leaves it, and why a service may not begin."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from nats.aio.client import Client

from gladhand.bus.jetstream import JetStreamBus
from gladhand.bus.port import Bus, Damaged
from gladhand.clock import Clock, SystemClock
from gladhand.errors import GladhandError, StartRefused
from gladhand.ids import new_id
from gladhand.registry.images import digest_of, own_image
from gladhand.registry.participants import Consumer, declared
from gladhand.registry.store import BEAT, Live, Registry
from gladhand.registry.verdict import Judged, Verdict, answers_for, judge
from logistics.contract.v1.registration_pb2 import Registration

__all__ = ["ContractBreaks", "enrolled", "images_of", "registered"]

_log = logging.getLogger(__name__)

_MOST_TOLD = 5


class ContractBreaks(StartRefused):
    """The contract of a service would break processes that are live; the message names each, and what it loses."""


@asynccontextmanager
async def registered(connection: Client, part: Consumer, *, replicas: int = 1) -> AsyncIterator[Registration]:
    """Show a process of your own in the registry while a block runs; its contract is the installed one.

    Raises ContractError where the declaration names what the contract does not have, BusUnavailable.
    """
    async with enrolled(JetStreamBus(connection, SystemClock(), replicas=replicas), part) as registration:
        yield registration


@asynccontextmanager
async def enrolled(
    bus: Bus,
    part: Consumer,
    *,
    image: FileDescriptorSet | None = None,
    allow_breaking: bool = False,
    every: timedelta = BEAT,
    clock: Clock | None = None,
) -> AsyncIterator[Registration]:
    """Enter a process, keep it there by a heartbeat, and take it out at the end; a service is checked first.

    `image` is the contract that it was built with, the installed one where none is given. A heartbeat that finds no
    answer is repeated, and enters the process again where it aged out meanwhile. `clock` is the machine's and never
    the mesh's: it only shows when the process was seen. Raises ContractError, ContractBreaks, BusUnavailable.
    """
    image, clock = image or own_image(), clock or SystemClock()
    registration = declared(part, _instance(), digest_of(image))
    registration.start_time.FromDatetime(clock.now())
    registration.last_seen_time.CopyFrom(registration.start_time)
    registry = await Registry.opened(bus)
    if registration.serves:
        await _refuse_breaks(registry, registration, image, allow_breaking=allow_breaking)
    await registry.keep_image(registration.image_digest, image)
    await registry.put(registration)
    beating = asyncio.create_task(_beat(registry, registration, every, clock), name=f"registration of {part.name}")
    try:
        yield registration
    finally:
        beating.cancel()
        with suppress(asyncio.CancelledError):
            await beating
        try:
            await registry.remove(registration)
        except GladhandError as error:
            _log.warning("the registration stays until it ages out: %s", error.message)


async def images_of(registry: Registry, live: Live) -> Mapping[str, FileDescriptorSet]:
    """Return the contracts of those who are live, by digest; those that are lost or damaged are left out, and told."""
    found: dict[str, FileDescriptorSet] = {}
    for digest in sorted({each.image_digest for each in live.registrations}):
        try:
            image = await registry.image(digest)
        except Damaged as error:
            _log.warning("a contract of the registry is damaged: %s", error.message)
            continue
        if image is None:
            _log.warning("a contract of the registry is lost", extra={"facts": {"digest": digest}})
        else:
            found[digest] = image
    return found


async def _refuse_breaks(
    registry: Registry, own: Registration, image: FileDescriptorSet, *, allow_breaking: bool
) -> None:
    live = await registry.live()
    for each in live.unreadable:
        _log.warning("the registry holds what is no registration", extra={"facts": {"key": each.key, "why": each.why}})
    others = [each for each in live.registrations if each.image_digest != own.image_digest]
    if not others or _runs_already(own, live.registrations):
        return
    images = await images_of(registry, Live(tuple(others)))
    verdict = judge(image, others, images, answers_for(own))
    if not verdict.broken:
        return
    told = _told(own, verdict)
    if not allow_breaking:
        raise ContractBreaks(
            f"{told}\nDeploy the consumers first, or bring back what they need; to start all the same, set "
            "GLADHAND_ALLOW_BREAKING=true"
        )
    _log.warning("started although it breaks others, as GLADHAND_ALLOW_BREAKING says: %s", told)


def _runs_already(own: Registration, others: Iterable[Registration]) -> bool:
    """Whether the mesh lives with this contract of this service already: another replica, or a run that just died.

    To refuse a replica that was killed its restart would take away from its callers what still works.
    """
    return any((each.name, each.image_digest) == (own.name, own.image_digest) for each in others)


def _told(own: Registration, verdict: Verdict) -> str:
    lines = [f"the contract of {own.name} would break what runs in this mesh:"]
    for each in verdict.broken:
        lines.append(f"  {_who(each)}:")
        lines += [f"    {hit}" for hit in each.hits[:_MOST_TOLD]]
        more = len(each.hits) - _MOST_TOLD
        lines += [f"    and {more} more; all of them: gladhand contracts check"] if more > 0 else []
    return "\n".join(lines)


def _who(judged: Judged) -> str:
    count = len(judged.instances)
    return f"{judged.name} ({count} instance{'s' if count > 1 else ''})"


async def _beat(registry: Registry, registration: Registration, every: timedelta, clock: Clock) -> None:
    silent = False
    while True:
        await asyncio.sleep(every.total_seconds())
        registration.last_seen_time.FromDatetime(clock.now())
        try:
            await registry.put(registration)
        except GladhandError as error:
            if not silent:
                _log.warning("the registry does not take the heartbeat, going on: %s", error.message)
            silent = True
        else:
            silent = False


def _instance() -> str:
    """Where it runs, for people, and what no other run shares."""
    host = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in socket.gethostname())
    return f"{host.encode('ascii', 'replace').decode().replace('?', '-')[:40] or 'host'}-{new_id()[-8:]}"

"""Dead letters, read from and replayed to the log."""

from __future__ import annotations

import base64
import hashlib
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from gladhand.bus.connection import ConnectionSettings, connected
from gladhand.bus.deadletters import DeadLetter, DeadLetters
from gladhand.bus.jetstream import JetStreamBus
from gladhand.cli.contents import shown
from gladhand.cli.failure import Exit, Failure
from gladhand.cli.output import print_json, screen, table
from gladhand.clock import SystemClock
from gladhand.errors import NotFound
from gladhand.log.jetstream import JetStreamEventStore


async def show_all(bus: ConnectionSettings, consumer: str | None, limit: int, as_json: bool) -> None:
    """List the newest, newest first. How many there are in all is told below them, with JSON on stderr."""
    async with _letters(bus) as letters:
        found, count = await letters.newest(limit, consumer)
    if as_json:
        print_json([view(letter, whole=False) for letter in found])
        if count > len(found):
            print(how_many(len(found), count), file=sys.stderr)
        return
    if not found:
        print("no dead letters")
        return
    rows = [
        (each.letter_id, each.consumer, each.subject, each.attempts, f"{each.last_seen:%Y-%m-%d %H:%M:%S}", each.reason)
        for each in found
    ]
    screen().print(table(("#letter", "consumer", "subject", "#attempts", "last attempt", "reason"), rows))
    print(how_many(len(found), count))
    print("look at one: gladhand dead-letters show LETTER   replay: gladhand dead-letters replay LETTER")


def how_many(shown: int, count: int) -> str:
    """How many of the letters are shown, and how to see the rest."""
    return f"{shown} of {count}" + (f"; -n {count} shows all" if shown < count else "")


async def show_one(bus: ConnectionSettings, letter_id: int, as_json: bool, raw: bool = False) -> None:
    """Show one with its headers and content, masked; `raw` adds it as it is. Raises Failure where it is not there."""
    async with _letters(bus) as letters:
        letter = await _get(letters, letter_id)
    fields = view(letter, whole=True, raw=raw)
    if as_json:
        print_json(fields)
        return
    screen().print(table(("field", "value"), [(key, value) for key, value in fields.items() if value not in ("", {})]))


async def replay(bus: ConnectionSettings, numbers: Sequence[int], as_json: bool) -> None:
    """Replay each. Raises Failure where one is not there, before any is replayed."""
    done: list[DeadLetter] = []
    async with _letters(bus) as letters:
        await _check_all(letters, numbers)
        for number in dict.fromkeys(numbers):
            done.append(await letters.replay(number))
            if not as_json:
                print(f"letter {number} went back to {done[-1].consumer}")
    if as_json:
        print_json([view(letter, whole=False) for letter in done])


async def _check_all(letters: DeadLetters, numbers: Sequence[int]) -> None:
    missing: list[str] = []
    for number in dict.fromkeys(numbers):
        try:
            await letters.get(number)
        except NotFound:
            missing.append(str(number))
    if missing:
        raise Failure(
            f"no dead letter {', '.join(missing)}; none was replayed",
            "list them: gladhand dead-letters list",
            Exit.NOT_FOUND,
        )


async def _get(letters: DeadLetters, number: int) -> DeadLetter:
    try:
        return await letters.get(number)
    except NotFound as error:
        raise Failure(f"no dead letter {number}", "list them: gladhand dead-letters list", Exit.NOT_FOUND) from error


@asynccontextmanager
async def _letters(bus: ConnectionSettings) -> AsyncIterator[DeadLetters]:
    async with connected(bus) as connection:
        yield DeadLetters(JetStreamBus(connection, SystemClock()), JetStreamEventStore(connection, source="cli"))


def view(letter: DeadLetter, *, whole: bool, raw: bool = False) -> dict[str, Any]:
    """Return a letter as it is shown, its message masked; `raw` adds the message as it is."""
    fields: dict[str, Any] = {
        "letter": letter.letter_id,
        "consumer": letter.consumer,
        "reason": letter.reason,
        "poison": letter.poison,
        "attempts": letter.attempts,
        "redrives": letter.redrives,
        "first_seen": letter.first_seen.isoformat(),
        "last_seen": letter.last_seen.isoformat(),
        "subject": letter.subject,
        "stream": letter.stream,
        "sequence": letter.sequence,
        "message_id": letter.message_id,
    }
    if whole:
        fields["headers"] = dict(letter.headers)
        content = shown(letter.subject, letter.payload)
        if content is not None:
            fields["message"] = content
        else:
            # As it came from outside, so nobody can tell what in it is personal.
            fields["bytes"] = len(letter.payload)
            fields["sha256"] = hashlib.sha256(letter.payload).hexdigest()
        if raw:
            fields["payload_base64"] = base64.b64encode(letter.payload).decode()
    return fields

"""Adds to the golden corpus of a released version whatever it lacks; what exists is never rewritten.

    python -m tools.corpus v1.0.0

Logs are made by giving the wishes of `stories` to the real deciders; messages by filling every field to its bounds.
An entry that uses what the version does not have yet is refused: it belongs to the next one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from gladhand.envelope import EnvelopeType
from gladhand.validation import violations
from services.orchestrator.journal import DECIDERS
from tools.corpus import entry, filling
from tools.corpus.folding import recorded
from tools.corpus.released import Json, Released, as_json, versions
from tools.corpus.stories import STORIES
from tools.corpus.telling import payloads


class TooNew(ValueError):
    """An entry that the released version would not understand."""


class NotAccepted(ValueError):
    """A message that its own rules refuse; it was never accepted and has no place here."""


def new_logs(version: str, released: Released) -> Iterator[tuple[Path, Json]]:
    """Yield file and content of each log that the version lacks. Raises TooNew."""
    for story in STORIES:
        path = entry.ROOT / version / entry.LOGS / story.aggregate / f"{story.name}.json"
        if path.exists():
            continue
        decider = DECIDERS[story.aggregate]
        stored = payloads(story)
        kind = EnvelopeType.of(decider.envelope)
        for payload in stored:
            if not released.knows(kind.decode(payload)):
                raise TooNew(f"{path.stem} of {story.aggregate} uses what {version} does not have; release first")
        yield path, recorded(decider, stored, released, story.told).to_json()


def new_messages(version: str, released: Released) -> Iterator[tuple[Path, Json]]:
    """Yield file and content of each message type that the version lacks. Raises TooNew and NotAccepted."""
    for kind in filling.kinds():
        path = entry.ROOT / version / entry.MESSAGES / f"{kind.DESCRIPTOR.full_name}.json"
        if path.exists():
            continue
        content = {}
        for name, message in filling.examples(kind):
            if wrong := violations(message):
                raise NotAccepted(f"{path.stem}, {name}: {wrong[0].field}: {wrong[0].description}")
            if not released.knows(message):
                raise TooNew(f"{path.stem} has fields that {version} does not have; release first")
            content[name] = as_json(message)
        yield path, content


def main(arguments: list[str]) -> int:
    """Returns the exit code of the process."""
    known = versions()
    if len(arguments) != 1 or arguments[0] not in known:
        print(f"which released version? make corpus VERSION=…, one of {', '.join(known)}")
        return 2
    (version,) = arguments
    released = Released.of(version)
    try:
        found = [*new_logs(version, released), *new_messages(version, released)]
    except (TooNew, NotAccepted) as error:
        print(f"nothing written: {error}")
        return 1
    written = sum(entry.write_new(path, content) for path, content in found)
    print(f"{written} entries added to {entry.ROOT / version}; what was there is as it was")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

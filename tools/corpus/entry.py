"""The files of the corpus: one for each log, one for each message type."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = Any

ROOT = Path("tests/contract/corpus")
LOGS, MESSAGES = "logs", "messages"


@dataclass(frozen=True, slots=True)
class Step:
    """One stored event, what it says, and where it led."""

    payload: bytes
    """As the log holds it."""
    event: Mapping[str, Json]
    """The same for people."""
    then: Mapping[str, str]
    """Where each state machine of the aggregate stood after it, by the name of the machine."""


@dataclass(frozen=True, slots=True)
class Log:
    """The whole history of one aggregate and the state that it folds to."""

    told: str
    """What happens in it, in a sentence."""
    steps: tuple[Step, ...]
    state: Json

    @property
    def payloads(self) -> tuple[bytes, ...]:
        """The stored bytes in order."""
        return tuple(step.payload for step in self.steps)

    def to_json(self) -> Json:
        """Return the content of the file."""
        events = [
            {"payload": base64.b64encode(step.payload).decode(), "event": dict(step.event), "then": dict(step.then)}
            for step in self.steps
        ]
        return {"told": self.told, "events": events, "state": self.state}

    @classmethod
    def from_json(cls, content: Json) -> Log:
        """Return what a file holds."""
        steps = tuple(
            Step(base64.b64decode(each["payload"]), each["event"], each["then"]) for each in content["events"]
        )
        return cls(content["told"], steps, content["state"])


def versions() -> list[str]:
    """Return the versions that have a corpus, by name."""
    return sorted(path.name for path in ROOT.iterdir() if path.is_dir())


def logs(version: str) -> Iterator[tuple[str, str, Log]]:
    """Yield (aggregate, name, log) of every log of a version."""
    for path in sorted((ROOT / version / LOGS).glob("*/*.json")):
        yield path.parent.name, path.stem, Log.from_json(json.loads(path.read_text(encoding="utf-8")))


def messages(version: str) -> Iterator[tuple[str, str, Json]]:
    """Yield (full name of the type, name of the entry, JSON) of every message of a version."""
    for path in sorted((ROOT / version / MESSAGES).glob("*.json")):
        for name, message in json.loads(path.read_text(encoding="utf-8")).items():
            yield path.stem, name, message


def write_new(path: Path, content: Json) -> bool:
    """Write a file that does not exist; return whether it was written. What exists is never touched."""
    if path.exists():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return True

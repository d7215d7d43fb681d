"""The logs of the mesh's processes, read from their files."""

from __future__ import annotations

import json
import time
from collections import deque
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from gladhand.cli.home import Home
from gladhand.cli.output import screen

_POLL_S: Final = 0.2
_COLOURS: Final = ("cyan", "green", "magenta", "blue", "yellow", "bright_cyan", "bright_green", "bright_magenta")
_LOUD: Final = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red bold"}
_SHOWN_APART: Final = {"time", "timestamp", "ts", "level", "message", "msg", "event", "service", "logger", "fault"}


class LogsMissingError(Exception):
    """There is no log of that name; the message lists those there are."""


def show(home: Home, service: str, lines: int, *, follow: bool, as_json: bool) -> None:
    """Print the newest lines of one log or of all, and go on with what comes where `follow`.

    Raises LogsMissingError.
    """
    files = {file.stem: file for file in sorted(home.logs.glob("*.log"))}
    if service and service not in files:
        raise LogsMissingError(f"no log of {service!r}; there are: {', '.join(files) or 'none yet'}")
    chosen = {service: files[service]} if service else files
    tails = {name: _Tail(file) for name, file in chosen.items()}
    console = screen()
    for name, tail in tails.items():
        for line in deque(tail.new_lines(), maxlen=lines):
            _print(console, name, line, as_json)
    while follow:
        time.sleep(_POLL_S)
        for name, tail in tails.items():
            for line in tail.new_lines():
                _print(console, name, line, as_json)


class _Tail:
    """A log from where it was read last. One that was emptied is read from its beginning."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._place = 0
        self._rest = b""

    def new_lines(self) -> list[str]:
        try:
            size = self._file.stat().st_size
            if size < self._place:
                self._place, self._rest = 0, b""
            with self._file.open("rb") as file:
                file.seek(self._place)
                content = self._rest + file.read()
                self._place = file.tell()
        except FileNotFoundError:
            return []
        *whole, self._rest = content.split(b"\n")
        return [line.decode("utf-8", "replace") for line in whole]


def _print(console: Console, name: str, line: str, as_json: bool) -> None:
    found = parsed(line)
    if as_json:
        print(json.dumps({"process": name, **(found if found is not None else {"message": line})}))
        return
    text = Text(f"{name:<14} ", style=_COLOURS[sum(name.encode()) % len(_COLOURS)])
    text.append_text(readable(found) if found is not None else Text(line))
    console.print(text, highlight=False, soft_wrap=True)


def parsed(line: str) -> dict[str, object] | None:
    """The fields of a line written as a JSON object; None for any other."""
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def readable(fields: dict[str, object]) -> Text:
    """A JSON line as a person reads it: time, level where it matters, the message, and the rest after it."""
    moment = str(fields.get("time") or fields.get("timestamp") or fields.get("ts") or "")
    level = str(fields.get("level") or "").upper()
    text = Text(f"{moment[11:23] or moment} ", style="dim")
    text.append(
        str(fields.get("message") or fields.get("msg") or fields.get("event") or ""), style=_LOUD.get(level, "")
    )
    rest = " ".join(f"{key}={value}" for key, value in fields.items() if key not in _SHOWN_APART and value != "")
    if rest:
        text.append(f"  {rest}", style="dim")
    if fields.get("fault"):
        text.append(f"\n{fields['fault']}")
    return text

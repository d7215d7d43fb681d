"""What a run of the demo remembers, so that one that was killed is taken up again and not begun anew."""

from __future__ import annotations

import datetime as dt
import json
import secrets
from pathlib import Path

from examples.denver.orders import Story


def begin_or_resume(file: Path, seed: int, orders: int, now: dt.datetime) -> tuple[Story, bool]:
    """The unfinished run of the same seed and size, else a new one from `now` on; whether it was taken up again."""
    known = _load(file)
    if known is not None and (known.seed, known.orders) == (seed, orders):
        return known, True
    story = Story(secrets.token_hex(3).upper(), seed, orders, now.replace(second=0, microsecond=0))
    _save(file, story)
    return story, False


def finish(file: Path) -> None:
    """The next run is a new one."""
    file.unlink(missing_ok=True)


def _load(file: Path) -> Story | None:
    try:
        raw = json.loads(file.read_text("utf-8"))
        return Story(raw["run"], raw["seed"], raw["orders"], dt.datetime.fromisoformat(raw["begun"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _save(file: Path, story: Story) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(file.name + ".new")
    raw = {"run": story.run, "seed": story.seed, "orders": story.orders, "begun": story.begun.isoformat()}
    partial.write_text(json.dumps(raw) + "\n", "utf-8")
    partial.replace(file)

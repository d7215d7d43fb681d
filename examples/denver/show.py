"""How the demo tells what happens: steps as they are done, tables at the end. Everything goes to stderr."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.status import Status

from gladhand.cli.output import table
from gladhand.cli.words import load_state, stop_kind
from logistics.load.v1.load_pb2 import Load, StopKind


class Teller:
    """Prints steps and milestones; on a terminal a moving line shows what is awaited."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._status: Status | None = None
        self._last = ""

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A step of the story, with the time it took."""
        began = time.monotonic()
        self.console.print(f"\n[bold]{escape(title)}[/]", highlight=False)
        if self.console.is_terminal:
            self._status = self.console.status("")
            self._status.start()
        try:
            yield
        finally:
            if self._status is not None:
                self._status.stop()
                self._status = None
        self.console.print(f"  [dim]{time.monotonic() - began:.1f} s[/]", highlight=False)

    def done(self, line: str) -> None:
        """Something that has happened."""
        self.console.print(f"  {escape(line)}", highlight=False)

    def pending(self, line: str) -> None:
        """What is awaited now; where no line can move, printed when it changes."""
        if line == self._last:
            return
        self._last = line
        if self._status is not None:
            self._status.update(f"[dim]{escape(line)}[/]")
        elif line:
            self.console.print(f"  [dim]... {escape(line)}[/]", highlight=False)

    @contextmanager
    def bar(self, title: str) -> Iterator[Progress]:
        """A progress bar of one task from 0 to 1."""
        if self._status is not None:
            self._status.stop()
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as progress:
            progress.add_task(title, total=1.0)
            yield progress
        if self._status is not None:
            self._status.start()

    def plan(self, loads: Sequence[Load]) -> None:
        """The loads with their vehicles and stops."""
        rows = [
            (
                load.load_id[-8:],
                load_state(load),
                load.assignments[-1].vehicle_id if load.assignments else "",
                load.figures.planner,
                f"{load.figures.distance_m / 1000:.1f}",
                len(load.order_ids),
                " > ".join(_stop(load, index) for index in range(len(load.stops))),
            )
            for load in loads
        ]
        self.console.print(table(("load", "state", "vehicle", "planner", "#km", "#orders", "stops"), rows))


def _stop(load: Load, index: int) -> str:
    stop = sorted(load.stops, key=lambda each: each.sequence)[index]
    if stop.kind == StopKind.STOP_KIND_DELIVERY:
        return str(stop.location.name)
    return f"{stop_kind(stop)} {stop.location.name}"

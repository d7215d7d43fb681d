"""Shows a mesh while it comes up or goes down: one line for each process that got there, and what is under way."""

from __future__ import annotations

import time
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from gladhand.cli.mesh.state import Condition, MeshState, Phase

_WORDS = {
    "nats": "JetStream",
    "streams": "streams",
    "tryton_build": "ERP environment and seeded database",
    "tryton": "Tryton ERP",
}
_SHOWN = {Condition.READY: "green", Condition.DONE: "green", Condition.RESTARTING: "yellow", Condition.GIVEN_UP: "red"}


class MeshView:
    """Prints changes to stderr, for terminals with a moving line of what is still awaited. Use in a `with` block."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._told: dict[str, tuple[Condition, int]] = {}
        self._notes: dict[str, str] = {}
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._status = self._console.status("starting the mesh")
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def __call__(self, mesh: MeshState) -> None:
        """Show what has changed since the last call."""
        for process in mesh.processes.values():
            key = (process.condition, process.restarts)
            if self._told.get(process.name) == key:
                continue
            self._told[process.name] = key
            colour = _SHOWN.get(process.condition)
            if colour is None and not (mesh.phase is Phase.STOPPING and process.condition is Condition.STOPPED):
                continue
            what = _WORDS.get(process.name, process.name)
            detail = process.last_exit if colour in {"yellow", "red"} else process.address
            took = f"{process.took_s:.1f} s" if colour == "green" else ""
            self._console.print(
                f"  [{colour or 'dim'}]{process.condition:<10}[/] {what:<36} [dim]{took:>7}[/]  {escape(detail)}",
                highlight=False,
            )
        self._show_pending(mesh)

    def _show_pending(self, mesh: MeshState) -> None:
        pending = [p for p in mesh.processes.values() if p.condition in {Condition.STARTING, Condition.RESTARTING}]
        for process in pending:
            if process.note and self._notes.get(process.name) != process.note:
                self._notes[process.name] = process.note
                if self._status is None:
                    self._console.print(f"  [dim]...        {escape(process.note)}[/]", highlight=False)
        if self._status is not None:
            waits = ", ".join(escape(p.note or _WORDS.get(p.name, p.name)) for p in pending)
            verb = "stopping" if mesh.phase is Phase.STOPPING else "starting"
            self._status.update(f"{verb} [dim]{time.monotonic() - self._began:.0f} s[/] {waits}")

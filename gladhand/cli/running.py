"""The mesh that runs here, as commands need it. Raises Failure where none does."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gladhand.cli.failure import no_mesh
from gladhand.cli.home import Home

if TYPE_CHECKING:
    from gladhand.cli.ask import Orchestrator
    from gladhand.cli.mesh.state import MeshState

__all__ = ["asked", "running_mesh"]

T = TypeVar("T")


def running_mesh(home: Path | None) -> MeshState:
    """Return the mesh of a directory."""
    from gladhand.cli.mesh.start import current

    mesh = current(Home.chosen(home))
    if mesh is None:
        raise no_mesh()
    return mesh


def asked(home: Path | None, question: Callable[[Orchestrator], Awaitable[T]]) -> T:
    """Ask the orchestrator of the running mesh."""
    from gladhand.cli.ask import orchestrator
    from gladhand.cli.mesh.certificates import operator

    mesh = running_mesh(home)

    async def ask() -> T:
        async with orchestrator(mesh.target("orchestrator"), operator(mesh)) as client:
            return await question(client)

    return asyncio.run(ask())

"""How a command ends: exit codes, and errors that say what to do."""

from __future__ import annotations

import functools
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import ParamSpec, TypeVar

import typer

P = ParamSpec("P")
R = TypeVar("R")


class Exit(IntEnum):
    """What the shell gets. 2 is click's own, for wrong usage."""

    DONE = 0
    FAILED = 1
    NO_MESH = 3
    NOT_FOUND = 4


class Failure(Exception):
    """Ends the command with a message that says what to do."""

    def __init__(self, message: str, remedy: str = "", code: Exit = Exit.FAILED) -> None:
        super().__init__(message)
        self.remedy = remedy
        self.code = code


NO_MESH = "no mesh runs here"
INTERRUPTED = 130
"""What shells give to a program that Ctrl-C ended."""


def no_mesh() -> Failure:
    """What to say where a command needs the mesh and there is none."""
    return Failure(NO_MESH, "start one: gladhand up --detach", Exit.NO_MESH)


def told_plainly(command: Callable[P, R]) -> Callable[P, R]:
    """Turn the errors that a person can do something about into a message and an exit code; others keep their trace."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except Failure as failure:
            raise _leave(str(failure), failure.remedy, failure.code) from failure
        except KeyboardInterrupt as interrupt:
            raise _leave(
                "interrupted", "what runs goes on: gladhand status   stop it: gladhand down", INTERRUPTED
            ) from interrupt
        except Exception as error:
            known = _known(error)
            if known is None:
                raise
            raise _leave(str(known), known.remedy, known.code) from error

    return run


@contextmanager
def told_by_child() -> Iterator[None]:
    """Leave Ctrl-C, which a terminal sends to both, to the child that is waited for: it tells and ends."""
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _leave(message: str, remedy: str, code: int) -> typer.Exit:
    print(f"gladhand: {message}", file=sys.stderr)
    if remedy:
        print(f"  {remedy}", file=sys.stderr)
    return typer.Exit(code)


def _known(error: Exception) -> Failure | None:
    from gladhand.cli.mesh.ports import NoPortError
    from gladhand.cli.mesh.start import AlreadyRunningError, MeshStartError
    from gladhand.contracts.image import ImageError
    from gladhand.errors import GladhandError, NotFound, StartRefused, Unavailable

    match error:
        case ImageError():
            return Failure(str(error))
        case AlreadyRunningError():
            return Failure(str(error), "look: gladhand status   stop: gladhand down")
        case MeshStartError():
            return Failure(str(error), "read on: gladhand logs   then: gladhand up --detach")
        case NoPortError():
            return Failure(str(error), "free one of these ports, or stop another mesh: gladhand down")
        case StartRefused():
            return Failure(error.message)
        case NotFound():
            return Failure(str(error), "list what there is: gladhand orders list", Exit.NOT_FOUND)
        case Unavailable():
            return Failure(str(error), "look at the processes: gladhand status   and their logs: gladhand logs")
        case GladhandError():
            return Failure(f"{error.reason}: {error}")
    return None

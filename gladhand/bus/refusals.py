"""What the server does not permit, told to whoever waits for an answer that will never come.

NATS answers a forbidden request with an error on the connection and nothing on the reply subject.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType

from nats.aio.client import Client

from gladhand import errors
from gladhand.bus.permissions import API, API_WITHIN

__all__ = ["MeshClient", "NotPermitted", "permitted"]

_VIOLATION = re.compile(r'permissions violation for (publish|subscription) to "([^"]*)"', re.IGNORECASE)


class NotPermitted(errors.StartRefused):
    """The server does not let this identity send to the subject; nothing was carried out."""

    def __init__(self, identity: str, subject: str) -> None:
        super().__init__(f"{identity} may not send to {subject}: the contract's service option does not say so")


class _Waiting:
    """One who waits for an answer. Interrupted as `asyncio.timeout` interrupts, since that costs next to nothing."""

    def __init__(self, client: MeshClient, subject: str) -> None:
        self._client = client
        self._subject = subject
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._refused = False

    def refuse(self) -> None:
        if self._task is not None and not self._refused:
            self._refused = True
            self._task.cancel()

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        self._cancelling = self._task.cancelling() if self._task is not None else 0
        self._client.waiting.setdefault(self._subject.lower(), set()).add(self)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        key = self._subject.lower()
        found = self._client.waiting[key]
        found.discard(self)
        if not found:
            del self._client.waiting[key]
        if not self._refused or self._task is None:
            return
        if self._task.uncancel() <= self._cancelling and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise NotPermitted(self._client.identity, self._subject) from error


class MeshClient(Client):
    """A connection that knows whose it is, and who waits for what."""

    def __init__(self, identity: str) -> None:
        super().__init__()
        self.identity = identity
        self.waiting: dict[str, set[_Waiting]] = {}

    def heard(self, error: str) -> str | None:
        """Take in an error of the connection; return what was forbidden, None where it is no such error."""
        found = _VIOLATION.search(error)
        if found is None:
            return None
        # The client gives the server's words in lower case.
        said = found[2].lower()
        subject = API.lower() + said.removeprefix(API_WITHIN) if said.startswith(f"{API_WITHIN}.") else said
        if found[1] == "publish":
            for each in [*self.waiting.get(said, ()), *self.waiting.get(subject, ())]:
                each.refuse()
        return f"{self.identity} may not {'send' if found[1] == 'publish' else 'listen'} to {subject}"


def permitted(connection: Client, subject: str) -> AbstractContextManager[None]:
    """Wait inside this block for an answer to what is sent to `subject`: it raises NotPermitted as soon as known."""
    return _Waiting(connection, subject) if isinstance(connection, MeshClient) else nullcontext()

"""Keeps the keys of tokens current: from a file that may change, or from an https URL that may be down."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import httpx

from gladhand.errors import SettingsError, Unavailable
from gladhand.security.jwks import KeySetError, VerifyingKey, read_keys

__all__ = ["KeyRing", "opened"]

_log = logging.getLogger(__name__)

_FILE_EVERY_S: Final = 2.0
_URL_EVERY_S: Final = 300.0
_LEAST_PAUSE_S: Final = 1.0
_URL_LEAST_PAUSE_S: Final = 10.0
"""Seconds between two reads for the sake of unknown keys: whoever invents key ids must not make us ask for each."""
_STALE_S: Final = 3600.0
"""Seconds for which keys are believed that could not be read again."""
_ANSWER_S: Final = 5.0


class KeyRing:
    """The keys in force. `find` answers from memory; only an unknown key is worth a wait."""

    def __init__(
        self,
        source: str,
        read: Callable[[], Awaitable[bytes]],
        *,
        every_s: float = _URL_EVERY_S,
        least_pause_s: float = _URL_LEAST_PAUSE_S,
        stale_s: float = _STALE_S,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """`read` gives the key set's bytes; `source` names it in log lines. `now` is a monotonic clock in seconds."""
        self._source = source
        self._read = read
        self._every_s, self._least_pause_s, self._stale_s = every_s, least_pause_s, stale_s
        self._now = now
        self._keys: Mapping[str, VerifyingKey] = {}
        self._raw = b""
        self._good_at: float | None = None
        self._asked_at: float | None = None
        self._turn = asyncio.Lock()
        self.generation = 0
        """Counts up whenever other keys are in force: what was verified before has to be verified again."""

    def find(self, kid: str) -> VerifyingKey | None:
        """Return a key, None for an unknown one. Raises Unavailable where no key set could be read lately."""
        if self._good_at is None:
            raise Unavailable("the keys of tokens cannot be read now", metadata={"target": "jwks"})
        return self._keys.get(kid)

    def may_seek(self) -> bool:
        """Whether an unknown key is worth a look at the source: not again within the least pause."""
        return self._asked_at is None or self._now() - self._asked_at >= self._least_pause_s

    async def seek(self, kid: str) -> VerifyingKey | None:
        """Look for an unknown key at the source, once for all who ask at a time; see `find`."""
        async with self._turn:
            known = self._keys.get(kid)
            if known is None and self.may_seek():
                await self._refresh()
        return self.find(kid)

    async def load(self) -> None:
        """Read the keys for the first time. Raises KeySetError, OSError, httpx.HTTPError."""
        self._asked_at = self._now()
        self._take(await self._read())

    async def run(self, stopping: asyncio.Event) -> None:
        """Read the keys again and again until `stopping` is set."""
        while not stopping.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), self._every_s)
            if not stopping.is_set():
                async with self._turn:
                    await self._refresh()

    async def _refresh(self) -> None:
        try:
            await self.load()
        except (KeySetError, OSError, httpx.HTTPError) as error:
            stale = self._good_at is not None and self._now() - self._good_at > self._stale_s
            facts = {"source": self._source, "why": str(error) or type(error).__name__, "dropped": stale}
            _log.warning("the keys of tokens could not be read again", extra={"facts": facts})
            if stale:
                self._keys, self._raw, self._good_at = {}, b"", None
                self.generation += 1

    def _take(self, raw: bytes) -> None:
        if raw != self._raw:
            self._keys, self._raw = read_keys(raw), raw
            self.generation += 1
            facts = {"source": self._source, "kids": sorted(self._keys)}
            _log.info("keys of tokens are in force", extra={"facts": facts})
        self._good_at = self._now()


@asynccontextmanager
async def opened(jwks: str) -> AsyncIterator[KeyRing]:
    """Open a key ring on a file or URL. Raises SettingsError where the file is missing or no key set.

    A URL that does not answer holds nothing up: tokens are refused with UNAVAILABLE until it does.
    """
    if "://" not in jwks:
        path = Path(jwks)

        async def read_file() -> bytes:
            return await asyncio.to_thread(path.read_bytes)

        ring = KeyRing(jwks, read_file, every_s=_FILE_EVERY_S, least_pause_s=_LEAST_PAUSE_S)
        try:
            await ring.load()
        except (KeySetError, OSError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise SettingsError(
                f"GLADHAND_JWKS is wrong: {jwks} is no key set: {why}; make one: gladhand up"
            ) from error
        yield ring
        return
    async with httpx.AsyncClient(timeout=_ANSWER_S, follow_redirects=False) as client:

        async def read_url() -> bytes:
            answer = await client.get(jwks, headers={"accept": "application/jwk-set+json, application/json"})
            answer.raise_for_status()
            return answer.content

        ring = KeyRing(jwks, read_url)
        try:
            await ring.load()
        except (KeySetError, httpx.HTTPError) as error:
            facts = {"source": jwks, "why": str(error) or type(error).__name__}
            _log.warning("the keys of tokens could not be read at the start", extra={"facts": facts})
        yield ring

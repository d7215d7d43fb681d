"""Methods that are about to leave: their callers are told, counted and once a day logged."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from typing import Any, Final

from gladhand.errors import ContractError, Unsupported
from gladhand.policy import MethodContract
from logistics.contract.v1.method_pb2 import LIFE_STAGE_DEPRECATED

__all__ = ["LifeStages", "notices"]

_log = logging.getLogger(__name__)

_MOST_CALLERS: Final = 1000
_OTHERS: Final = "others"
Notice = tuple[str, str]


class LifeStages:
    """Looks at the life stage of each method called."""

    def __init__(self, today: Callable[[], date], *, refuse_sunset: bool) -> None:
        """`today` gives the date in UTC; `refuse_sunset` turns callers away once the sunset date has passed."""
        self._today = today
        self._refuse_sunset = refuse_sunset
        self._notices: dict[str, tuple[Notice, ...]] = {}
        self._logged: OrderedDict[tuple[str, str], date] = OrderedDict()
        self._callers: set[str] = set()
        self._counter: Any = None

    def notices(self, method: MethodContract, caller: str) -> tuple[Notice, ...]:
        """Return what to tell the caller in trailing metadata or headers; empty for a method that stays.

        Raises Unsupported (METHOD_RETIRED) past the sunset where that is configured.
        """
        if method.stage != LIFE_STAGE_DEPRECATED:
            return ()
        today = self._today()
        self._count(method, caller, today)
        if self._refuse_sunset and method.sunset_date and today > sunset_of(method):
            instead = f"; call {method.replacement}" if method.replacement else ""
            raise Unsupported(
                f"{method.path} has been retired since {method.sunset_date}{instead}",
                reason="METHOD_RETIRED",
                metadata={"sunset": method.sunset_date, "replacement": method.replacement},
            )
        found = self._notices.get(method.path)
        if found is None:
            found = self._notices[method.path] = notices(method)
        return found

    def _count(self, method: MethodContract, caller: str, today: date) -> None:
        if caller not in self._callers:
            # A metric grows with its attributes: past a bound callers are counted together.
            if len(self._callers) < _MOST_CALLERS:
                self._callers.add(caller)
            else:
                caller = _OTHERS
        if self._counter is None:
            from opentelemetry import metrics  # noqa: PLC0415 - only a mesh with deprecated methods needs it

            self._counter = metrics.get_meter("gladhand").create_counter(
                "gladhand.deprecated.calls", "{call}", "Calls of methods that are about to leave, by caller."
            )
        self._counter.add(1, {"rpc.method": method.path.removeprefix("/"), "gladhand.caller": caller})
        key = (caller, method.path)
        if self._logged.get(key) == today:
            return
        self._logged[key] = today
        self._logged.move_to_end(key)
        if len(self._logged) > _MOST_CALLERS:
            self._logged.popitem(last=False)
        facts = {
            "method": method.path, "caller": caller, "sunset": method.sunset_date, "replacement": method.replacement,
        }  # fmt: skip
        _log.warning("a deprecated method is called", extra={"facts": facts})


def notices(method: MethodContract) -> tuple[Notice, ...]:
    """Return the headers of a deprecated method: `deprecation` (RFC 9745), `sunset` and `link` (RFC 8594), and ours.

    The sunset is the end of its day. Where the contract does not say since when it is deprecated, `deprecation` is
    "true", as the drafts of the RFC had it.
    """
    found: list[Notice] = []
    since = _date(method, "deprecated_date", method.deprecated_date)
    found.append(("deprecation", "true" if since is None else f"@{int(_midnight(since).timestamp())}"))
    if method.sunset_date:
        last = datetime.combine(sunset_of(method), time(23, 59, 59), UTC)
        found.append(("sunset", format_datetime(last, usegmt=True)))
    if method.replacement:
        found.append(("replacement", method.replacement))
        found.append(("link", f'</{method.replacement}>; rel="successor-version"'))
    return tuple(found)


def sunset_of(method: MethodContract) -> date:
    """Return the last day of a method that has one. Raises ContractError where it is no date."""
    found = _date(method, "sunset_date", method.sunset_date)
    if found is None:
        raise ContractError(f"{method.path} has no sunset_date")
    return found


def _date(method: MethodContract, field: str, text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise ContractError(f"{method.path}: policy.{field} {text!r} is no date; write YYYY-MM-DD") from error


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)

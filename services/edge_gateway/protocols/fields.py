"""Reading untrusted JSON and forms field by field; what does not fit is refused by name, with the remedy (pure)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import NoReturn, cast

from gladhand.errors import InvalidArgument

__all__ = [
    "Fields",
    "boolean_of",
    "device_id_of",
    "malformed",
    "moment_of",
    "number_of",
    "read_json",
    "text_of",
]

_LAST_SECOND = 253_402_300_799
"""9999-12-31T23:59:59Z: later moments have no Timestamp."""

_SECONDS_BELOW = 1e11
"""A number below is seconds since 1970 (up to the year 5138), any other milliseconds (from 1973 on)."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII).fullmatch
_MOST_ID = 100


def malformed(field: str, problem: str, remedy: str = "") -> InvalidArgument:
    """Return the refusal of a message that cannot be read: reason MALFORMED_MESSAGE, naming the field."""
    return InvalidArgument(f"{field} {problem}", field=field, remedy=remedy, reason="MALFORMED_MESSAGE")


def read_json(body: bytes, what: str = "body") -> Mapping[str, object]:
    """Return the JSON object in `body`, fractions as Decimal. Raises InvalidArgument naming line and column."""
    try:
        value = json.loads(body.decode("utf-8"), parse_float=Decimal, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise InvalidArgument(
            f"the {what} is no JSON: {error.msg} at line {error.lineno} column {error.colno}",
            reason="MALFORMED_MESSAGE",
            metadata={"at": f"line {error.lineno} column {error.colno}"},
        ) from error
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise malformed(what, "is no JSON in UTF-8", "send one JSON object") from error
    if not isinstance(value, dict):
        raise malformed(what, "is no JSON object", "send one JSON object")
    return cast("Mapping[str, object]", value)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def text_of(value: object, field: str, longest: int = 200) -> str:
    """Return a text of 1 to `longest` characters; whole numbers are taken as text. Raises InvalidArgument."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**40 else ""
    if not isinstance(value, str):
        raise malformed(field, "is no text")
    text = value.strip()
    if not 1 <= len(text) <= longest:
        raise malformed(field, f"must have 1 to {longest} characters")
    if not text.isprintable():  # also keeps lone surrogates out, which have no UTF-8 form
        raise malformed(field, "holds characters that cannot be shown")
    return text


def device_id_of(value: object, field: str) -> str:
    """Return the name of a device. Raises InvalidArgument."""
    return text_of(value, field, _MOST_ID)


def number_of(value: object, field: str) -> float:
    """Return a finite number, given as a number or as text. Raises InvalidArgument."""
    if isinstance(value, str):
        text = value.strip()
        if len(text) > 64 or not _NUMBER(text):
            raise malformed(field, f"{_shown(value)} is no number")
        number = float(text)
    elif isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise malformed(field, "is no number")
    else:
        try:
            number = float(value)
        except OverflowError as error:
            raise malformed(field, "is too large a number") from error
    if not math.isfinite(number):
        raise malformed(field, "is no finite number")
    return number


def boolean_of(value: object, field: str) -> bool:
    """Return true or false, given as such, as 1 or 0, or as text of these. Raises InvalidArgument."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, str | int) else ""
    if word in {"true", "1"}:
        return True
    if word in {"false", "0"}:
        return False
    raise malformed(field, "is neither true nor false")


def moment_of(value: object, field: str) -> datetime:
    """Return a moment in UTC: seconds or milliseconds since 1970, ISO 8601, or `yyyy-mm-dd hh:mm:ss`.

    Text without a zone is UTC, as Traccar's server reads it. Raises InvalidArgument.
    """
    if isinstance(value, str) and not _NUMBER(value.strip()):
        return _written_moment(value.strip(), field)
    number = number_of(value, field)
    seconds = number if abs(number) < _SECONDS_BELOW else number / 1000.0
    if not 0 <= seconds <= _LAST_SECOND:
        raise malformed(field, "is no moment between 1970 and 9999", "send seconds or milliseconds since 1970")
    return datetime.fromtimestamp(round(seconds, 6), UTC)


def _written_moment(text: str, field: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise malformed(field, f"{_shown(text)} is no moment", "send ISO 8601 or seconds since 1970") from error
    if moment.year < 1970:
        raise malformed(field, "lies before 1970", "set the device's clock")
    return moment


def _shown(value: str) -> str:
    return ascii(value[:40])


class Fields:
    """An object of untrusted JSON or a form, read by name; `path` stands before the names in refusals."""

    def __init__(self, values: object, path: str = "") -> None:
        if not isinstance(values, Mapping):
            raise malformed(path or "body", "is no JSON object")
        self._values: Mapping[str, object] = values
        self._path = path

    def name(self, key: str) -> str:
        """Return the full name of a field, for refusals."""
        return f"{self._path}.{key}" if self._path else key

    def has(self, key: str) -> bool:
        """Return whether the field is there and neither null nor empty."""
        return self._values.get(key) not in (None, "")

    def raw(self, key: str) -> object:
        """Return the value as it came. Raises InvalidArgument where it is missing."""
        if not self.has(key):
            raise malformed(self.name(key), "is missing")
        return self._values[key]

    def text(self, key: str, longest: int = 200) -> str:
        """Return a text. Raises InvalidArgument."""
        return text_of(self.raw(key), self.name(key), longest)

    def number(self, key: str) -> float:
        """Return a finite number. Raises InvalidArgument."""
        return number_of(self.raw(key), self.name(key))

    def boolean(self, key: str) -> bool:
        """Return true or false. Raises InvalidArgument."""
        return boolean_of(self.raw(key), self.name(key))

    def moment(self, key: str) -> datetime:
        """Return a moment in UTC. Raises InvalidArgument."""
        return moment_of(self.raw(key), self.name(key))

    def fields(self, key: str) -> Fields:
        """Return the object inside. Raises InvalidArgument."""
        return Fields(self.raw(key), self.name(key))

    def items(self, key: str, most: int) -> list[Fields]:
        """Return the objects of a list of at most `most`; a single object counts as a list of one."""
        found = self.raw(key)
        if isinstance(found, Mapping):
            found = [found]
        if not isinstance(found, list) or not 1 <= len(found) <= most:
            raise malformed(self.name(key), f"must be a list of 1 to {most} objects")
        return [Fields(value, f"{self.name(key)}[{index}]") for index, value in enumerate(found)]

    def maybe_text(self, key: str, longest: int = 200) -> str:
        """Return a text, or an empty one where the field is missing. Raises InvalidArgument."""
        return self.text(key, longest) if self.has(key) else ""

    def maybe_number(self, key: str) -> float | None:
        """Return a finite number, or None where the field is missing. Raises InvalidArgument."""
        return self.number(key) if self.has(key) else None

    def maybe_boolean(self, key: str) -> bool | None:
        """Return true or false, or None where the field is missing. Raises InvalidArgument."""
        return self.boolean(key) if self.has(key) else None

    def maybe_moment(self, key: str) -> datetime | None:
        """Return a moment, or None where the field is missing. Raises InvalidArgument."""
        return self.moment(key) if self.has(key) else None

    def maybe_fields(self, key: str) -> Fields | None:
        """Return the object inside, or None where the field is missing. Raises InvalidArgument."""
        return self.fields(key) if self.has(key) else None

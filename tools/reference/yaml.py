"""YAML as far as an AsyncAPI document needs it: mappings, lists, strings, numbers and truths (pure).

Strings are written as JSON strings, which YAML 1.2 reads as they are; so no text can be mistaken for anything else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence

_PLAIN = re.compile(r"[A-Za-z_$/][\w$/.-]*\Z")
_NOT_PLAIN = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


def dump(document: Mapping[str, object]) -> str:
    """Return a document as YAML, keys in their given order."""
    return "\n".join(_mapping(document, 0)) + "\n"


def _mapping(value: Mapping[str, object], depth: int) -> Iterator[str]:
    for key, inner in value.items():
        yield from _entry(f"{'  ' * depth}{_key(key)}:", inner, depth + 1)


def _entry(head: str, value: object, depth: int) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        yield head
        yield from _mapping(value, depth)
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        yield head
        yield from _list(value, depth)
    else:
        yield f"{head} {_scalar(value)}"


def _list(values: Sequence[object], depth: int) -> Iterator[str]:
    for value in values:
        if isinstance(value, Mapping) and value:
            first, *rest = _mapping(value, depth + 1)
            yield f"{'  ' * depth}- {first.lstrip()}"
            yield from rest
        else:
            yield f"{'  ' * depth}- {_scalar(value)}"


def _key(key: str) -> str:
    return key if _PLAIN.match(key) and key.lower() not in _NOT_PLAIN else json.dumps(key)


def _scalar(value: object) -> str:
    if isinstance(value, Mapping | list | tuple) and not value:
        return "{}" if isinstance(value, Mapping) else "[]"
    if isinstance(value, str | int | float) or value is None:
        return json.dumps(value, ensure_ascii=False)
    raise TypeError(f"{type(value).__name__} has no form in YAML here")

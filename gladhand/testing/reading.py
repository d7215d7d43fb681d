"""Records which fields code reads of a message, to hold the declaration of a consumer against what it does.

What is seen: attributes down to single values, `HasField`, `WhichOneof` (the member that it names counts as looked at),
lists and maps. Methods that look at a message as a whole, for example `ToDatetime`, `ListFields`, `SerializeToString`,
comparison and printing, count as reading everything below it. What is not seen: branches that no test takes, and code
that keeps the bytes. What cannot be recorded: protobuf takes no recorded message into another one (`CopyFrom`, fields
of a constructor); that ends in a TypeError, and such a part is to be declared whole (`order.*`) and tested without.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar, cast

from google.protobuf.message import Message

from gladhand.registry.paths import ALL, covers

M = TypeVar("M", bound=Message)

__all__ = ["Reading"]


class Reading(Generic[M]):
    """What is read of one kind of message, over any number of them."""

    def __init__(self, message: type[M]) -> None:
        self._message = message
        self._paths: set[str] = set()

    def of(self, message: M) -> M:
        """Return a message whose reads are recorded; it may be read only."""
        if not isinstance(message, self._message):
            raise TypeError(f"{type(message).__name__} is no {self._message.__name__}")
        return cast("M", _Recorded(message, "", self._paths))

    @property
    def paths(self) -> list[str]:
        """The fields read so far, as a declaration: what lies on the way to another one is left out."""
        return sorted(
            path for path in self._paths if not any(other != path and covers(other, path) for other in self._paths)
        )

    def check(self, declared: Iterable[str]) -> None:
        """Raise AssertionError where a field is read and not declared, or declared and not read."""
        wanted = list(declared)
        undeclared = [path for path in self.paths if not any(covers(each, path) for each in wanted)]
        unread = [each for each in wanted if not any(covers(each, path) for path in self._paths)]
        if undeclared or unread:
            name = self._message.DESCRIPTOR.full_name
            raise AssertionError(
                f"the declared reads of {name} are wrong\n"
                f"read and not declared: {undeclared}\n"
                f"declared and never read: {unread}\n"
                f"right would be: {self.paths}"
            )


class _Recorded:
    """A message that notes what is asked of it."""

    def __init__(self, message: Message, path: str, seen: set[str]) -> None:
        self.__dict__.update(_message=message, _path=path, _seen=seen)

    def __getattr__(self, name: str) -> Any:
        if name == "DESCRIPTOR":
            return self._message.DESCRIPTOR
        fields = self._message.DESCRIPTOR.fields_by_name
        if name not in fields:
            value = getattr(self._message, name)
            if callable(value):  # Constants of enums and nested types are no reads.
                self._note(ALL)
            return value
        field, value = fields[name], getattr(self._message, name)
        path = self._below(name)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            return _RecordedMap(value, path, self._seen)
        if isinstance(value, Message):
            return _Recorded(value, path, self._seen)
        if field.message_type is not None:
            return _RecordedList(value, path, self._seen)
        self._seen.add(path)
        return value

    def __setattr__(self, name: str, value: object) -> None:
        raise TypeError(f"a recorded message is read only: {name}")

    def HasField(self, name: str) -> bool:
        self._note(name)
        return bool(self._message.HasField(name))

    def WhichOneof(self, name: str) -> str | None:
        member = cast("str | None", self._message.WhichOneof(name))
        if member is not None:
            self._note(member)
        return member

    def __eq__(self, other: object) -> bool:
        self._note(ALL)
        return bool(self._message == (other._message if isinstance(other, _Recorded) else other))

    def __hash__(self) -> int:
        raise TypeError("a message has no hash")

    def __str__(self) -> str:
        self._note(ALL)
        return str(self._message)

    __repr__ = __str__

    def _below(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name

    def _note(self, name: str) -> None:
        self._seen.add(self._below(name))


class _RecordedList(Sequence[Any]):
    """A list of messages; to look at its length or to walk along it looks at the field."""

    def __init__(self, values: Sequence[Message], path: str, seen: set[str]) -> None:
        self._values, self._path, self._seen = values, path, seen

    def __len__(self) -> int:
        self._seen.add(self._path)
        return len(self._values)

    def __getitem__(self, index: Any) -> Any:
        self._seen.add(self._path)
        found = self._values[index]
        if isinstance(index, slice):
            return _RecordedList(found, self._path, self._seen)
        return _Recorded(cast("Message", found), self._path, self._seen)


class _RecordedMap(Mapping[Any, Any]):
    """A map; keys and values are fields of their own, `key` and `value`."""

    def __init__(self, values: Mapping[Any, Any], path: str, seen: set[str]) -> None:
        self._values, self._path, self._seen = values, path, seen

    def __len__(self) -> int:
        self._seen.add(self._path)
        return len(self._values)

    def __iter__(self) -> Iterator[Any]:
        self._seen.add(f"{self._path}.key")
        return iter(self._values)

    def __contains__(self, key: object) -> bool:
        self._seen.add(f"{self._path}.key")
        return key in self._values

    def __getitem__(self, key: Any) -> Any:
        self._seen.add(f"{self._path}.key")
        if key not in self._values:  # a map of messages would make one
            raise KeyError(key)
        value = self._values[key]
        if isinstance(value, Message):
            return _Recorded(value, f"{self._path}.value", self._seen)
        self._seen.add(f"{self._path}.value")
        return value

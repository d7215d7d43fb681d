"""Field paths such as `received.order.order_id`, counted from a message (pure)."""

from __future__ import annotations

from google.protobuf.descriptor import Descriptor

__all__ = ["ALL", "PathError", "check_path", "covers"]

ALL = "*"
"""At the end of a path: the field and everything below it. Alone: everything there is."""


class PathError(Exception):
    """A path names what the message does not have; the text says where."""


def check_path(message: Descriptor, path: str) -> None:
    """Raise PathError where a path does not exist in a message. List indexes are not written, map entries are
    `key` and `value`.
    """
    at: Descriptor | None = message
    *steps, last = path.split(".")
    for step in (*steps, *(() if last == ALL else (last,))):
        if at is None or step not in at.fields_by_name:
            where = at.full_name if at is not None else "a field that is no message"
            raise PathError(f"{message.full_name} has no field {path!r} (no {step!r} in {where})")
        at = at.fields_by_name[step].message_type


def covers(declared: str, read: str) -> bool:
    """Return whether a declared path allows to read a path. Reading below a message looks at the message itself."""
    if declared == ALL:
        return True
    if declared.endswith(f".{ALL}"):
        whole = declared.removesuffix(f".{ALL}")
        return read == whole or read.startswith(f"{whole}.") or whole.startswith(f"{read}.")
    return read == declared or declared.startswith(f"{read}.")

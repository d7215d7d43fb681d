"""What commands print: one JSON document, or tables for people. Words about the work itself go to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich import box
from rich.console import Console
from rich.table import Table

_NARROWEST = 200


def screen(*, stderr: bool = False) -> Console:
    """A console. One that is no terminal is wide enough that tables keep their lines."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream) if stream.isatty() else Console(file=stream, width=_NARROWEST, soft_wrap=True)


def print_json(document: object) -> None:
    """One JSON document on stdout."""
    print(json.dumps(document, indent=2, ensure_ascii=False))


def as_dict(message: Message) -> dict[str, Any]:
    """A message as its JSON form, with the contract's own field names."""
    found: dict[str, Any] = MessageToDict(message, preserving_proto_field_name=True)
    return found


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> Table:
    """A plain table; a column whose name begins with `#` is set to the right."""
    made = Table(box=box.SIMPLE_HEAD, title=title or None, title_justify="left", pad_edge=False)
    for column in columns:
        made.add_column(
            column.lstrip("#") or column,
            justify="right" if column.startswith("#") else "left",
            overflow="fold",
            no_wrap=column.endswith(" id"),  # to be copied
        )
    for row in rows:
        made.add_row(*(str(cell) for cell in row))
    return made

"""Markdown that cannot break its table, and the names under which its headings are found (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

GENERATED = "Generated from `proto/` by `make gen`; do not edit, `make check` fails while it is stale."


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table, with an empty line before it; nothing where there are no rows."""
    body = ["| " + " | ".join(cell(each) for each in row) + " |" for row in rows]
    if not body:
        return []
    return ["", "| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns), *body]


def cell(text: str) -> str:
    """Return text as it may stand in a table: one line, no bar that ends the cell, no HTML."""
    return prose(" ".join(text.split())).replace("|", "\\|")


def prose(text: str) -> str:
    """Return text in which no bracket outside of code is taken for HTML."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;") for part in parts)


def slug(heading: str) -> str:
    """Return the anchor that GitHub and GitLab make of a heading: lower case, letters, digits, `-` and `_` kept."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def page(parts: Iterable[str]) -> str:
    """Return the lines as a file: never two empty lines in a row, one line end at the end."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).strip("\n") + "\n"

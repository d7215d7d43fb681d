"""Lifecycles drawn as Mermaid state diagrams, from the tables that the runtime enforces (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gladhand.lifecycle import Edge, Lifecycle

__all__ = ["anchor", "drawing", "page", "section"]

_HEAD = """\
# Lifecycles

Written by `gladhand contracts diagram --write` from the options on the state enums, the same that the runtime enforces:
a step that is not drawn here is refused. Do not edit; `make check` fails while this page is stale.

An arrow names the events that take it. An arrow from the black dot without a name is a birth inside a larger object,
for example of a stop in its load. A state with an arrow to the circled dot ends the life of the object; arrows may
still leave it where the field has a step after the end, for example a credit.
"""


def drawing(table: Lifecycle) -> str:
    """Return one lifecycle as a Mermaid `stateDiagram-v2`, its states and arrows in the order of the enum."""
    order = {state: place for place, state in enumerate(table.states)}
    lines = ["stateDiagram-v2"]
    for state in table.states:
        events = sorted(birth.event for birth in table.births if birth.target == state)
        if events or state in table.initial:
            lines.append(_arrow("[*]", _short(table, state), events))
    for source in table.states:
        ways = [edge for edge in table.edges if edge.source == source]
        lines += [
            _arrow(_short(table, source), _short(table, target), _events(ways, target))
            for target in sorted({edge.target for edge in ways}, key=order.__getitem__)
        ]
        if source in table.terminal:
            lines.append(_arrow(_short(table, source), "[*]", ()))
    return "\n".join(lines) + "\n"


def section(table: Lifecycle) -> str:
    """Return one lifecycle as Markdown: a heading, its diagram, and the events that change no state."""
    text = f"## {anchor(table)}\n\n`{table.enum}`\n\n```mermaid\n{drawing(table)}```\n"
    if table.anywhere:
        named = ", ".join(f"`{event}`" for event in sorted(table.anywhere))
        text += f"\nIn any state, leaving it as it is: {named}.\n"
    return text


def page(tables: Iterable[Lifecycle]) -> str:
    """Return the whole page of lifecycles, sorted by the full names of their enums."""
    ordered: Sequence[Lifecycle] = sorted(tables, key=lambda table: table.enum)
    listed = "\n".join(f"- [{anchor(table)}](#{anchor(table).lower()})" for table in ordered)
    return "\n".join([_HEAD, listed, "", *(section(table) for table in ordered)])


def anchor(table: Lifecycle) -> str:
    """Return the heading of a lifecycle, the enum's own name; in lower case it is the anchor of its section."""
    return table.enum.rpartition(".")[2]


def _short(table: Lifecycle, state: str) -> str:
    """Return a state without the enum's name; the contract's lint asks for `…_UNSPECIFIED` at zero."""
    return state.removeprefix(table.numbers[0].removesuffix("UNSPECIFIED"))


def _events(ways: Iterable[Edge], target: str) -> list[str]:
    return sorted(edge.event for edge in ways if edge.target == target)


def _arrow(source: str, target: str, events: Iterable[str]) -> str:
    label = ", ".join(events)
    return f"    {source} --> {target}" + (f": {label}" if label else "")

"""Subjects and filters: whether one matches the other, as the server judges it."""

from __future__ import annotations


def matches(subject_filter: str, subject: str) -> bool:
    """Return whether a subject matches a filter: `*` stands for one token, `>` at the end for one or more."""
    wanted, found = subject_filter.split("."), subject.split(".")
    if wanted[-1] == ">":
        return len(found) >= len(wanted) and _equal(wanted[:-1], found)
    return len(found) == len(wanted) and _equal(wanted, found)


def covers(wider: str, narrower: str) -> bool:
    """Return whether every subject that the second filter matches is matched by the first."""
    wide, narrow = wider.split("."), narrower.split(".")
    if wide[-1] == ">":
        head = wide[:-1]
        return len(narrow) > len(head) and ">" not in narrow[: len(head)] and _equal(head, narrow)
    return len(narrow) == len(wide) and narrow[-1] != ">" and _equal(wide, narrow)


def overlap(one: str, other: str) -> bool:
    """Return whether some subject matches both filters."""
    left, right = one.split("."), other.split(".")
    for here, there in zip(left, right, strict=False):
        if ">" in {here, there}:
            return True
        if here != there and "*" not in {here, there}:
            return False
    return len(left) == len(right)


def _equal(wanted: list[str], found: list[str]) -> bool:
    return all(token in {"*", other} for token, other in zip(wanted, found, strict=False))

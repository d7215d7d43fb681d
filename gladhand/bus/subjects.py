"""Subjects and filters: whether one matches the other, as the server judges it."""

from __future__ import annotations


def matches(subject_filter: str, subject: str) -> bool:
    """Return whether a subject matches a filter: `*` stands for one token, `>` at the end for one or more."""
    wanted, found = subject_filter.split("."), subject.split(".")
    if wanted[-1] == ">":
        return len(found) >= len(wanted) and _equal(wanted[:-1], found)
    return len(found) == len(wanted) and _equal(wanted, found)


def _equal(wanted: list[str], found: list[str]) -> bool:
    return all(token in {"*", other} for token, other in zip(wanted, found, strict=False))

"""Where in the sources of a contract something stands (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from google.protobuf.descriptor_pb2 import FileDescriptorProto

Path = tuple[int, ...]
"""Field numbers and indices from a FileDescriptorProto down to the element, as in SourceCodeInfo."""


@dataclass(frozen=True, slots=True)
class Place:
    """An element of one file. The empty path is the file as a whole."""

    file: str
    path: Path = ()

    def at(self, *steps: int) -> Place:
        """Return the place of a part, for example of an option of this element."""
        return Place(self.file, (*self.path, *steps))


class Positions:
    """Lines and columns of the places of one file; knows none where the image was built without source positions."""

    def __init__(self, file: FileDescriptorProto) -> None:
        self._spans: Mapping[Path, tuple[int, int]] = {
            tuple(location.path): (location.span[0], location.span[1])
            for location in file.source_code_info.location
            if location.span
        }

    def known(self, path: Path) -> Path | None:
        """Return the path itself or that of the nearest thing around it which has a position; None where none has.

        The parts of a list that is written in one pair of brackets share the position of the first.
        """
        return next((candidate for candidate in _outwards(path) if candidate in self._spans), None)

    def line(self, path: Path) -> int | None:
        """Return the line of the nearest position, from 1; None where the image has no positions."""
        known = self.known(path)
        return self._spans[known][0] + 1 if known is not None else None


class Lines:
    """Finds lines and positions for the places of a contract; each file is looked through once."""

    def __init__(self, files: Mapping[str, FileDescriptorProto]) -> None:
        self._files = files
        self._positions: dict[str, Positions] = {}

    def line(self, place: Place) -> int | None:
        """Return the line of a place, from 1; None where the image has no positions or the file is not in it."""
        positions = self._of(place.file)
        return positions.line(place.path) if positions is not None else None

    def located(self, place: Place) -> Place:
        """Return the nearest place that has a position: the file as a whole where none has."""
        positions = self._of(place.file)
        return Place(place.file, (positions.known(place.path) if positions is not None else None) or ())

    def _of(self, name: str) -> Positions | None:
        if name not in self._positions and name in self._files:
            self._positions[name] = Positions(self._files[name])
        return self._positions.get(name)


def _outwards(path: Path) -> Iterator[Path]:
    while path:
        yield path
        if path[-1]:
            yield (*path[:-1], 0)
        path = path[:-1]

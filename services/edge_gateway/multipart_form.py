"""A multipart form, read as it comes in and held within limits (RFC 7578)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from gladhand.errors import InvalidArgument
from services.edge_gateway.pod_desk import GivenFile
from services.edge_gateway.protocols.pod_form import FileLimits, too_large

__all__ = ["PodSubmission", "read_submission"]

FORM_FIELD = "pod"
_MOST_DRAINED = 4


@dataclass(slots=True)
class PodSubmission:
    """The parts of a proof as they came."""

    form: bytes = b""
    files: list[GivenFile] = field(default_factory=list)
    broken: InvalidArgument | None = None
    """What is wrong with the parts. Those named above came whole before it was found."""


@dataclass(slots=True)
class _Part:
    name: str = ""
    media_type: str = ""
    content: bytearray = field(default_factory=bytearray)


class _Reader:
    """Collects parts; the first one that breaks a limit ends the collecting."""

    def __init__(self, boundary: bytes, limits: FileLimits) -> None:
        self._limits = limits
        self._part = _Part()
        self._header = [bytearray(), bytearray()]
        self._total = 0
        self._ended = False
        self.submission = PodSubmission()
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                "on_header_end": self._take_header,
                "on_part_data": self._take_content,
                "on_part_end": self._end,
                "on_end": self._end_all,
            },
        )

    def write(self, chunk: bytes) -> None:
        """Take the next bytes. Raises InvalidArgument where they are malformed or too many."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _malformed(str(error)) from error

    def close(self) -> None:
        """No more bytes come. Raises InvalidArgument where the form is not complete."""
        if not self._ended:
            raise _malformed("it ends in the middle")
        if not self.submission.form:
            raise InvalidArgument(
                f"part {FORM_FIELD!r} is missing",
                field=FORM_FIELD,
                remedy="send the form as JSON in a part of this name",
                reason="MALFORMED_MESSAGE",
            )

    def _begin(self) -> None:
        self._part = _Part()

    def _take_header(self) -> None:
        name, value = (bytes(part) for part in self._header)
        self._header = [bytearray(), bytearray()]
        if name.lower() == b"content-disposition":
            _, options = parse_options_header(value)
            self._part.name = options.get(b"name", b"").decode("utf-8", "replace")[:100]
        elif name.lower() == b"content-type":
            self._part.media_type = value.decode("latin-1")[:100]

    def _take_content(self, data: bytes, start: int, end: int) -> None:
        part, limits = self._part, self._limits
        most = limits.form_bytes if part.name == FORM_FIELD else limits.file_bytes
        self._total += end - start
        if len(part.content) + end - start > most:
            raise too_large(part.name, most)
        if self._total > limits.total_bytes:
            raise too_large("the whole of the proof", limits.total_bytes)
        part.content.extend(data[start:end])

    def _end(self) -> None:
        part, found = self._part, self.submission
        if part.name == FORM_FIELD:
            found.form = bytes(part.content)
        elif not part.name.isprintable() or not part.name:
            raise _malformed("a part has no name")
        elif part.content:
            if len(found.files) >= self._limits.files:
                raise InvalidArgument(
                    f"there are more than {self._limits.files} files",
                    field=part.name,
                    remedy="send fewer",
                    rule="count",
                    reason="FILE_REFUSED",
                )
            found.files.append(GivenFile(part.name, part.media_type, bytes(part.content)))

    def _end_all(self) -> None:
        self._ended = True


async def read_submission(content_type: str, chunks: AsyncIterator[bytes], limits: FileLimits) -> PodSubmission:
    """Read a form while it comes in; what breaks it stands in `broken` beside what had come whole before.

    Raises InvalidArgument where it is no multipart form at all.
    """
    kind, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not 1 <= len(boundary) <= 70:
        raise InvalidArgument(
            "the body is no multipart form",
            field="Content-Type",
            remedy="send multipart/form-data with its boundary",
            reason="MALFORMED_MESSAGE",
        )
    reader = _Reader(boundary, limits)
    drained = 0
    async for chunk in chunks:
        if reader.submission.broken is None:
            try:
                reader.write(chunk)
            except InvalidArgument as error:
                reader.submission.broken = error
        else:
            # Read on for a while: a sender that is cut off in the middle never sees why.
            drained += len(chunk)
            if drained > _MOST_DRAINED * limits.total_bytes:
                break
    if reader.submission.broken is None:
        try:
            reader.close()
        except InvalidArgument as error:
            reader.submission.broken = error
    return reader.submission


def _malformed(why: str) -> InvalidArgument:
    return InvalidArgument(f"the multipart form is malformed: {why}", reason="MALFORMED_MESSAGE")

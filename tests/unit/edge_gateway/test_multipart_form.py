"""Multipart forms in pieces of any size, whole, broken and too large."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gladhand.errors import InvalidArgument
from services.edge_gateway.multipart_form import PodSubmission, read_submission
from services.edge_gateway.protocols.pod_form import FileLimits

TYPE = "multipart/form-data; boundary=xyz"
BODY = (
    b'--xyz\r\nContent-Disposition: form-data; name="pod"\r\nContent-Type: application/json\r\n\r\n{"a": 1}\r\n'
    b'--xyz\r\nContent-Disposition: form-data; name="photo"; filename="p.png"\r\nContent-Type: image/png\r\n\r\n'
    + bytes(range(256))
    + b"\r\n--xyz--\r\n"
)


async def read(body: bytes, step: int = 7, limits: FileLimits | None = None, kind: str = TYPE) -> PodSubmission:
    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), step):
            yield body[start : start + step]

    return await read_submission(kind, chunks(), limits or FileLimits())


@pytest.mark.parametrize("step", [1, 7, 100_000])
async def test_parts_come_whole_whatever_the_pieces(step: int) -> None:
    found = await read(BODY, step)
    assert found.broken is None
    assert found.form == b'{"a": 1}'
    (photo,) = found.files
    assert (photo.field, photo.declared_media_type, photo.content) == ("photo", "image/png", bytes(range(256)))


async def test_what_came_before_the_fault_is_kept() -> None:
    found = await read(BODY, limits=FileLimits(file_bytes=100))
    assert found.form == b'{"a": 1}'
    assert found.broken is not None
    assert found.broken.reason == "FILE_REFUSED"
    assert found.files == []


@pytest.mark.parametrize(
    ("body", "limits"),
    [
        (BODY[:-10], FileLimits()),
        (b"", FileLimits()),
        (b"--xyz\r\nnonsense", FileLimits()),
        (BODY, FileLimits(total_bytes=100)),
        (BODY, FileLimits(form_bytes=3)),
        (BODY, FileLimits(files=0)),
        (BODY.replace(b'name="pod"', b'name="other"'), FileLimits()),
        (BODY.replace(b'name="photo"', b"nameless"), FileLimits()),
    ],
)
async def test_broken_forms_say_what_is_wrong(body: bytes, limits: FileLimits) -> None:
    found = await read(body, limits=limits)
    assert found.broken is not None
    assert found.broken.reason in {"FILE_REFUSED", "MALFORMED_MESSAGE"}


@pytest.mark.parametrize("kind", ["", "application/json", "multipart/form-data", "multipart/form-data; boundary="])
async def test_what_is_no_multipart_form_is_refused_at_once(kind: str) -> None:
    with pytest.raises(InvalidArgument):
        await read(BODY, kind=kind)

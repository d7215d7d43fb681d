"""What the edge answers where it offers nothing."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from services.edge_gateway.http_api import build_app

NOBODY: Any = None


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nowhere", 404), ("GET", "/traccar", 405)])
async def test_what_is_not_offered_is_answered_by_a_problem_document(method: str, path: str, status: int) -> None:
    app = build_app(NOBODY, NOBODY, NOBODY, readiness=list, admission=NOBODY, most_bytes=1)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://edge") as client:
        answer = await client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["status"] == status
    assert path in answer.json()["detail"]

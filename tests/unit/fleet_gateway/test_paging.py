"""Page tokens belong to their question."""

from __future__ import annotations

import pytest

from gladhand.errors import InvalidArgument
from logistics.dispatch.v1 import ListLoadsRequest, ListVehiclesRequest
from services.fleet_gateway.paging import key_in, page_size, token_after

ASKED = ListLoadsRequest(region="us", page_size=2)


def test_a_token_gives_its_key_back_whatever_the_page_size() -> None:
    token = token_after(("17", "a/b"), ASKED)
    again = ListLoadsRequest(region="us", page_size=9, page_token=token)
    assert key_in(token, again, 2) == ("17", "a/b")
    assert key_in("", again, 2) is None
    assert (page_size(0), page_size(7)) == (50, 7)


@pytest.mark.parametrize(
    "token",
    ["x", "!!!", "bm90IGpzb24", token_after(("1",), ASKED), token_after(("1", "2"), ListVehiclesRequest(region="us"))],
)
def test_any_other_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidArgument) as refusal:
        key_in(token, ASKED, 2)
    assert refusal.value.reason == "PAGE_TOKEN_INVALID"
    assert refusal.value.violations[0].field == "page_token"

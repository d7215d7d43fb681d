"""Page tokens and sizes."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gladhand.errors import InvalidArgument
from services.orchestrator.read_model.paging import Key, digest_of, key_of, page_limit, token_of

DIGEST = digest_of("orders", {"region": "eu"})


@pytest.mark.parametrize(("asked", "given_"), [(0, 50), (-3, 50), (1, 1), (500, 500), (501, 500)])
def test_sizes(asked: int, given_: int) -> None:
    assert page_limit(asked) == given_


@given(
    created_us=st.integers(-(2**63), 2**63 - 1),
    name=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=80),
)
def test_a_token_gives_its_key_back(created_us: int, name: str) -> None:
    key = Key(created_us, name)
    assert key_of(token_of(DIGEST, key), DIGEST) == key


def test_no_token_is_the_beginning() -> None:
    assert key_of("", DIGEST) is None


def test_a_digest_tells_questions_apart() -> None:
    asked = [("orders", {"region": "eu"}), ("orders", {"region": "us"}), ("loads", {"region": "eu"}), ("orders", {})]
    assert len({digest_of(*question) for question in asked}) == len(asked)
    assert digest_of("orders", {"a": 1, "b": 2}) == digest_of("orders", {"b": 2, "a": 1})


@given(st.text(max_size=60))
def test_nonsense_is_refused_as_a_page_token(token: str) -> None:
    if not token:
        return
    with pytest.raises(InvalidArgument) as refused:
        key_of(token, DIGEST)
    assert refused.value.reason == "PAGE_TOKEN_INVALID"
    assert refused.value.violations[0].field == "page_token"


@pytest.mark.parametrize(
    "raw", [DIGEST, DIGEST + bytes(8), DIGEST + bytes(8) + b"\xff", DIGEST + bytes(8) + b"a\0b", bytes(17)]
)
def test_a_damaged_token_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidArgument):
        key_of(base64.urlsafe_b64encode(raw).decode().rstrip("="), DIGEST)


def test_a_token_of_another_question_is_refused() -> None:
    token = token_of(digest_of("orders", {"region": "us"}), Key(1, "a"))
    with pytest.raises(InvalidArgument, match="filters"):
        key_of(token, DIGEST)

"""Dated pairings, kept for a while; and who works on what."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from services.edge_gateway.inbox import InHand
from services.edge_gateway.matching import Pairing, PairingBook

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_device_that_moved_does_not_rewrite_history() -> None:
    book = PairingBook()
    book.remember("p", "d", Pairing("V1", None, NOON, fresh_until=100))
    book.remember("p", "d", Pairing("V2", NOON, None, fresh_until=100))
    before, after = book.find("p", "d", NOON - HOUR, 0), book.find("p", "d", NOON, 0)
    assert before is not None
    assert after is not None
    assert (before.vehicle_id, after.vehicle_id) == ("V1", "V2")
    assert book.find("other", "d", NOON, 0) is None


def test_an_old_answer_is_taken_only_where_nobody_can_be_asked() -> None:
    book = PairingBook()
    book.remember("p", "d", Pairing("V1", None, None, fresh_until=100))
    assert book.find("p", "d", NOON, 99) is not None
    assert book.find("p", "d", NOON, 100) is None
    assert book.find("p", "d", NOON, 100, stale=True) is not None


def test_the_book_is_bounded() -> None:
    book = PairingBook(most_devices=2)
    for number in range(5):
        book.remember("p", f"d{number}", Pairing("V", None, None, fresh_until=100))
    assert [book.find("p", f"d{number}", NOON, 0) is not None for number in range(5)] == [False] * 3 + [True] * 2


async def test_a_message_in_hand_is_waited_for() -> None:
    in_hand = InHand()
    with in_hand.work("m"), in_hand.work("m"):
        asked = asyncio.create_task(in_hand.finished("m"))
        other = asyncio.create_task(in_hand.finished("other"))
        assert not await other
        assert not asked.done()
        in_hand.finish("m")
    assert await asked
    with in_hand.work("n"):
        asked = asyncio.create_task(in_hand.finished("n"))
        await asyncio.wait((asked,), timeout=0)
    assert not await asked, "it was left unfinished"

"""Lives of fulfilment processes and planning waves."""

from __future__ import annotations

from datetime import timedelta

from logistics.process.v1 import UnplannedOrder
from logistics.type.v1 import ReferenceType
from services.orchestrator.deciders.fulfilment import Begin, Fail, Finish, Park, Resume, Succeed
from services.orchestrator.deciders.wave import Abandon, Lay, Propose, Start
from tools.corpus.stories.freight import EXCEPTION, ORDER, OTHER_ORDER, WAVE, name, truck
from tools.corpus.telling import START, Story

_BUSY = Fail("post_delivery", "ERP_UNAVAILABLE", "busy", START + timedelta(minutes=30))
_DONE = Succeed("post_delivery", (name(ReferenceType.REFERENCE_TYPE_DELIVERY_ORDER, "SHP-1"),), '{"lines": 2}')
_PARK = Park("post_delivery", "ERP_REFUSED", "period closed", EXCEPTION)


def _process(story: str, told: str, *wishes: object, future: bool = False) -> Story:
    return Story("fulfilment", story, told, ORDER, wishes, ends_with_the_unknown=future)


def _wave(story: str, told: str, *wishes: object, future: bool = False) -> Story:
    return Story("wave", story, told, WAVE, wishes, ends_with_the_unknown=future)


FULFILMENTS = (
    _process("finished", "The ERP is busy once, then all is done.", Begin(ORDER), _BUSY, _DONE, Finish("invoiced")),
    _process(
        "parked_and_resumed",
        "It fails, waits for a person, goes on and counts its failures anew.",
        Begin(ORDER), _BUSY, _BUSY, _PARK, Resume("the period is open again"), _BUSY,
    ),
    _process("parked_and_given_up", "It waits for a person, and the order is cancelled.",
             Begin(ORDER), _PARK, Finish("cancelled")),
    _process("newer_writer", "A newer writer adds an event.", Begin(ORDER), future=True),
)  # fmt: skip
"""Every life of a fulfilment process in the corpus."""

_START = Start((ORDER, OTHER_ORDER), "timer")
_ANSWER = Propose((truck(),), (UnplannedOrder(order_id=OTHER_ORDER, reason="DEMAND_EXCEEDS_CAPACITY"),))

WAVES = (
    _wave("laid", "One order is planned and one is not.", _START, _ANSWER, Lay()),
    _wave("abandoned", "The planner does not answer.", _START, Abandon("no answer")),
    _wave("newer_writer", "A newer writer adds an event.", _START, future=True),
)
"""Every life of a planning wave in the corpus."""

"""Every check of a proof of delivery, passed and failed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from logistics.load.v1 import Load, LoadState, StopState
from logistics.order.v1 import CheckResult
from logistics.pod.v1 import Artifact, ArtifactKind, PodCheckKind, PodLine, PodMethod, ProofOfDelivery
from logistics.process.v1 import ProcessPolicy
from logistics.type.v1 import Classifier, GeoPoint
from services.orchestrator.pod_checks import check_pod, distance_m
from tests.unit.orchestrator.deciders.freight import FIRST, LOAD, ORDER, PICKUP, POD, at, pieces, truck, when

POLICY = ProcessPolicy(name="default", version=1)
SHOP = GeoPoint(latitude=39.7392, longitude=-104.9903)


def road() -> Load:
    found = truck()
    found.state = LoadState.LOAD_STATE_AT_DELIVERY
    stop = found.stops[1]
    stop.state = StopState.STOP_STATE_ARRIVED
    stop.location.point.CopyFrom(SHOP)
    stop.arrival.CopyFrom(when(60))
    stop.departure.CopyFrom(when(80))
    return found


def proof() -> ProofOfDelivery:
    return ProofOfDelivery(
        pod_id=POD,
        load_id=LOAD,
        stop_id=FIRST,
        capture_time=at(70),
        methods=[PodMethod.POD_METHOD_SIGNATURE],
        signer_name="A. Clerk",
        point=SHOP,
        lines=[PodLine(order_id=ORDER, line_id="a", delivered=pieces(10), accepted=pieces(10), rejected=pieces(0))],
        artifacts=[
            Artifact(
                kind=ArtifactKind.ARTIFACT_KIND_SIGNATURE,
                object_name="pods/1.png",
                media_type="image/png",
                sha256="0" * 64,
                size_bytes=812,
            )
        ],
    )


def failures(pod: ProofOfDelivery, load: Load | None = None, policy: ProcessPolicy = POLICY) -> list[str]:
    checks = check_pod(pod, load or road(), policy)
    wrong = [check for check in checks if check.result == CheckResult.CHECK_RESULT_FAIL]
    assert all(check.message for check in wrong)
    return [PodCheckKind.Name(check.kind).removeprefix("POD_CHECK_KIND_") for check in wrong]


def test_a_sound_proof_passes_every_check() -> None:
    assert failures(proof()) == []
    assert len(check_pod(proof(), road(), POLICY)) == 7


def line(pod: ProofOfDelivery) -> PodLine:
    return pod.lines[0]


def short(pod: ProofOfDelivery) -> None:
    line(pod).delivered.value = line(pod).accepted.value = "9"


def refused(pod: ProofOfDelivery) -> None:
    line(pod).accepted.value, line(pod).rejected.value, line(pod).reason = "8", "2", "DAMAGED"


@pytest.mark.parametrize("change", [short, refused])
def test_less_than_expected_is_no_failure(change: Callable[[ProofOfDelivery], None]) -> None:
    pod = proof()
    change(pod)
    assert failures(pod) == []


def too_much(pod: ProofOfDelivery) -> None:
    line(pod).delivered.value = line(pod).accepted.value = "11"


def test_more_than_expected_is_kept_and_told_of_beside_the_proof() -> None:
    over = proof()
    too_much(over)
    assert failures(over) == []


def bad_sum(pod: ProofOfDelivery) -> None:
    line(pod).accepted.value = "8"


def no_reason(pod: ProofOfDelivery) -> None:
    line(pod).accepted.value, line(pod).rejected.value = "8", "2"


def other_unit(pod: ProofOfDelivery) -> None:
    line(pod).delivered.unit_code = "KGM"


def strange_line(pod: ProofOfDelivery) -> None:
    line(pod).line_id = "z"


def twice(pod: ProofOfDelivery) -> None:
    pod.lines.append(pod.lines[0])


def negative(pod: ProofOfDelivery) -> None:
    line(pod).accepted.value, line(pod).rejected.value, line(pod).reason = "11", "-1", "?"


def early(pod: ProofOfDelivery) -> None:
    pod.capture_time.CopyFrom(at(44))


def late(pod: ProofOfDelivery) -> None:
    pod.capture_time.CopyFrom(at(80 + 24 * 60 + 1))


def elsewhere(pod: ProofOfDelivery) -> None:
    pod.point.latitude += 0.01


def no_file(pod: ProofOfDelivery) -> None:
    pod.methods.append(PodMethod.POD_METHOD_PHOTO)


def hollow_file(pod: ProofOfDelivery) -> None:
    pod.artifacts[0].sha256 = ""


def weak(pod: ProofOfDelivery) -> None:
    del pod.methods[:]
    pod.methods.append(PodMethod.POD_METHOD_EDI_ONLY)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (bad_sum, "LINES_ADD_UP"),
        (no_reason, "LINES_ADD_UP"),
        (other_unit, "LINES_ADD_UP"),
        (strange_line, "LINES_ADD_UP"),
        (twice, "LINES_ADD_UP"),
        (negative, "LINES_ADD_UP"),
        (early, "CAPTURE_TIME"),
        (late, "CAPTURE_TIME"),
        (elsewhere, "PLACE"),
        (no_file, "ARTIFACTS"),
        (hollow_file, "ARTIFACTS"),
        (weak, "METHOD"),
    ],
)
def test_each_fault_is_found_by_its_check(change: Callable[[ProofOfDelivery], None], expected: str) -> None:
    pod = proof()
    change(pod)
    assert failures(pod) == [expected]


def test_a_stop_must_expect_the_delivery() -> None:
    pod = proof()
    pod.stop_id = PICKUP
    assert "STOP_EXPECTED" in failures(pod)
    pod.stop_id = POD
    assert failures(pod) == ["STOP_EXPECTED"]
    given_up, waiting = road(), road()
    given_up.stops[1].state = StopState.STOP_STATE_FAILED
    waiting.state = LoadState.LOAD_STATE_ASSIGNED
    assert failures(proof(), given_up) == failures(proof(), waiting) == ["STOP_EXPECTED"]


def test_what_nobody_knows_is_not_held_against_a_proof() -> None:
    unseen = road()
    for name in ("arrival", "departure"):
        unseen.stops[1].ClearField(name)
    unseen.stops[1].location.ClearField("point")
    assert failures(proof(), unseen) == []


def test_an_arrival_inferred_from_the_departure_is_no_bound() -> None:
    unseen = road()
    unseen.stops[1].arrival.CopyFrom(unseen.stops[1].departure)
    unseen.stops[1].arrival.classifier = Classifier.CLASSIFIER_INFERRED
    pod = proof()
    pod.capture_time.CopyFrom(at(60))
    assert failures(pod, unseen) == []


def test_the_policy_sets_the_limits() -> None:
    strict = ProcessPolicy(name="strict", version=1, pod_methods=[PodMethod.POD_METHOD_PIN], signer_required=True)
    strict.pod_after_departure.FromSeconds(60)
    strict.pod_before_arrival.FromSeconds(60)
    pod = proof()
    pod.signer_name = " "
    assert failures(pod, policy=strict) == ["SIGNER", "METHOD"]
    pod.capture_time.CopyFrom(at(58))
    assert "CAPTURE_TIME" in failures(pod, policy=strict)


def test_distances_are_metres() -> None:
    assert distance_m(SHOP, SHOP) == 0
    north = GeoPoint(latitude=SHOP.latitude + 1, longitude=SHOP.longitude)
    assert distance_m(SHOP, north) == pytest.approx(111_195, abs=5)


def test_a_second_proof_of_a_proved_stop_is_judged_like_the_first() -> None:
    proved = road()
    proved.stops[1].pod_ids.append(POD)
    assert failures(proof(), proved) == []
    other = proof()
    other.pod_id = "0b6f0f0e-6a0c-5d6c-9a57-0d5a6f6f1a77"
    assert failures(other, proved) == []


def test_somebody_must_know_that_the_vehicle_was_there() -> None:
    unseen = road()
    unseen.stops[1].ClearField("arrival")
    unseen.stops[1].ClearField("departure")
    assert failures(proof(), unseen) == []
    nowhere = proof()
    nowhere.ClearField("point")
    assert failures(nowhere, road()) == []
    assert failures(nowhere, unseen) == ["PLACE"]
    guessed = road()
    guessed.stops[1].arrival.classifier = Classifier.CLASSIFIER_INFERRED
    assert failures(nowhere, guessed) == ["PLACE"]

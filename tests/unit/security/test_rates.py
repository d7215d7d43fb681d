"""What the contract says of rate classes, and what they are where nobody configures them."""

from __future__ import annotations

from itertools import permutations

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from gladhand.contracts.changes import ChangeKind, compare
from gladhand.registry.images import own_image
from gladhand.security.rates import USUAL
from logistics.contract.v1.method_pb2 import RateClass, policy


def told(before: RateClass.ValueType, after: RateClass.ValueType) -> ChangeKind:
    """What a method's move from one class to another counts as."""
    (change,) = compare(with_class(before), with_class(after))
    return change.kind


def with_class(rate_class: RateClass.ValueType) -> FileDescriptorSet:
    """The contract with a method in another class."""
    image = FileDescriptorSet()
    image.CopyFrom(own_image())
    (file,) = (each for each in image.file if each.package == "logistics.server.v1")
    file.service[0].method[0].options.Extensions[policy].rate_class = rate_class
    return image


def test_a_class_that_counts_as_lower_gives_fewer_calls() -> None:
    classes = RateClass.values()[1:]
    assert set(USUAL) == set(classes)
    for before, after in permutations(classes, 2):
        fewer = USUAL[after].per_s < USUAL[before].per_s and USUAL[after].burst < USUAL[before].burst
        assert (told(before, after) is ChangeKind.TIGHTENED) is fewer

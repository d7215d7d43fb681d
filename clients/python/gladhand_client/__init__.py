"""Calls a Gladhand mesh: `connect` opens a channel for the stubs of `gladhand-contracts`, `refusal` reads errors."""

from gladhand_client.channel import connect
from gladhand_client.correlation import CORRELATION_KEY, correlated
from gladhand_client.refusal import Precondition, Refusal, Resource, Violation, refusal

__all__ = ["CORRELATION_KEY", "Precondition", "Refusal", "Resource", "Violation", "connect", "correlated", "refusal"]

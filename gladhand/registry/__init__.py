"""Who lives by the contract: what each running process serves, calls and reads, and whether a change would break it."""

from gladhand.registry.participants import Consumer, Service
from gladhand.registry.presence import registered
from gladhand.registry.store import Registry
from gladhand.registry.subscribed import reads_of

__all__ = ["Consumer", "Registry", "Service", "reads_of", "registered"]

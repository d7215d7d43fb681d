"""The read model: what was recorded, laid out for questions. Filled from the log, and worth nothing beside it."""

from __future__ import annotations

from services.orchestrator.read_model.model import ReadModel
from services.orchestrator.read_model.paging import Page
from services.orchestrator.read_model.projector import Lag, Projector

__all__ = ["Lag", "Page", "Projector", "ReadModel"]

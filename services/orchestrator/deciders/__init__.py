"""The aggregates of the orchestrator: one pure module each, with its State and its DECIDER."""

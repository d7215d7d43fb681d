"""The orchestrator: the one writer of business state. Deciders rule, processes act, the read model answers."""

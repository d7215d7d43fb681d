"""The event store: one append-only history per aggregate, kept in JetStream."""

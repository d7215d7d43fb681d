"""The bus: streams, durable consumers, dead letters, timers and buckets on JetStream."""

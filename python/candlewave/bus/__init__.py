"""The bus: keyed topics with consumer groups, on Kafka or on the embedded PostgreSQL."""

"""The embedded engine: PostgreSQL standing in for RisingWave, with the same SQL and incremental views."""

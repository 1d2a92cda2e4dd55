"""Alembic's entry point; what it does is in :mod:`candlewave.engine.migrate.environment`."""

from candlewave.engine.migrate.environment import run_migrations

run_migrations()

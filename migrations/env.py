"""Alembic's entry point; what it does is in :mod:`candlewave.migrate.environment`."""

from candlewave.migrate.environment import run_migrations

run_migrations()

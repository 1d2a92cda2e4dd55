"""Alembic's entry point; what it does is in :mod:`candlewave.engine.migrate.revisions`."""

from candlewave.engine.migrate.revisions import run_migrations

run_migrations()

"""Migrations: bring RisingWave or the embedded engine to what ``sql/`` declares.

Tables hold rows that cannot be computed again, so hand-written revisions change them step by step. Views and sinks are
computed: what the engine has is compared with ``sql/``, and what differs is built again. Each object is recorded in
``candlewave_objects``, so that an interrupted run goes on where it stopped.
"""

from candlewave.core.errors import CandlewaveError


class MigrationError(CandlewaveError):
    """A migration cannot be applied; the text names the object and what to do."""

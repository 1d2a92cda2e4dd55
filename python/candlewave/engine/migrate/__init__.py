"""Migrations: freeze what ``sql/`` renders, plan the step to it, apply it to RisingWave or the embedded engine.

``migration`` compares the rendered objects with the state frozen in the last revision and writes the next one;
``migrate`` applies revisions and records each object in ``candlewave_objects``, so that an interrupted run goes on
where it stopped.
"""

from candlewave.core.errors import CandlewaveError


class MigrationError(CandlewaveError):
    """A migration cannot be written or applied; the text names the object and what to do."""

"""What is traded on a market: the asset itself, or a contract."""

from candlewave.engine.migrate.tables import add_column

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column; ``migrate`` fills it for configured markets."""
    add_column("symbols", "kind", "VARCHAR")


def downgrade() -> None:
    """Keep the column: nothing of an earlier revision minds it."""

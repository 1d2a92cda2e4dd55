"""The baseline's fitted spreads."""

from candlewave.engine.migrate.tables import create, drop

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Create the table."""
    create("""
CREATE TABLE baseline_spreads (
    baseline_version VARCHAR,
    exchange VARCHAR,
    symbol VARCHAR,
    horizon_minutes INT,
    volatility VARCHAR,
    low DOUBLE PRECISION,
    high DOUBLE PRECISION,
    trained_until TIMESTAMPTZ,
    PRIMARY KEY (baseline_version, exchange, symbol, horizon_minutes)
) APPEND ONLY
ON CONFLICT DO NOTHING
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}baseline_spreads',
    ${kafka_properties},
    scan.startup.mode = 'earliest'
) FORMAT PLAIN ENCODE JSON
""")


def downgrade() -> None:
    """Drop the table."""
    drop("baseline_spreads")

"""Forecasts and their inputs, what becomes of models, alerts and API keys."""

from candlewave.engine.migrate.tables import create, drop

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the tables."""
    create("""
CREATE TABLE prediction_inputs (
    exchange VARCHAR,
    symbol VARCHAR,
    feature_time TIMESTAMPTZ,
    feature_set VARCHAR,
    "values" JSONB,
    made_at TIMESTAMPTZ,
    PRIMARY KEY (exchange, symbol, feature_time, feature_set)
) APPEND ONLY
ON CONFLICT DO NOTHING
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}prediction_inputs',
    ${kafka_properties},
    scan.startup.mode = 'earliest'
) FORMAT PLAIN ENCODE JSON
""")
    create("""
CREATE TABLE predictions (
    exchange VARCHAR,
    symbol VARCHAR,
    horizon_minutes INT,
    feature_time TIMESTAMPTZ,
    target_time TIMESTAMPTZ,
    model_name VARCHAR,
    model_version VARCHAR,
    role VARCHAR,
    q10 DOUBLE PRECISION,
    q50 DOUBLE PRECISION,
    q90 DOUBLE PRECISION,
    price_q10 DOUBLE PRECISION,
    price_q50 DOUBLE PRECISION,
    price_q90 DOUBLE PRECISION,
    reference_price DOUBLE PRECISION,
    made_at TIMESTAMPTZ,
    PRIMARY KEY (exchange, symbol, horizon_minutes, feature_time, model_name, model_version)
) APPEND ONLY
ON CONFLICT DO NOTHING
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}predictions',
    ${kafka_properties},
    scan.startup.mode = 'earliest'
) FORMAT PLAIN ENCODE JSON
""")
    create("""
CREATE TABLE model_events (
    event_id VARCHAR,
    model_name VARCHAR,
    model_version VARCHAR,
    event VARCHAR,
    reason VARCHAR,
    occurred_at TIMESTAMPTZ,
    PRIMARY KEY (event_id)
) APPEND ONLY
ON CONFLICT DO NOTHING
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}model_events',
    ${kafka_properties},
    scan.startup.mode = 'earliest'
) FORMAT PLAIN ENCODE JSON
""")
    create("""
CREATE TABLE feature_reference (
    model_version VARCHAR,
    feature VARCHAR,
    edges DOUBLE PRECISION[],
    shares DOUBLE PRECISION[],
    PRIMARY KEY (model_version, feature)
) APPEND ONLY
ON CONFLICT DO NOTHING
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}feature_reference',
    ${kafka_properties},
    scan.startup.mode = 'earliest'
) FORMAT PLAIN ENCODE JSON
""")
    create("""
CREATE TABLE training_requests (
    request_id VARCHAR,
    model_name VARCHAR,
    reason VARCHAR,
    evidence JSONB,
    requested_at TIMESTAMPTZ,
    PRIMARY KEY (request_id)
) APPEND ONLY
ON CONFLICT DO NOTHING
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}training_requests',
    ${kafka_properties},
    scan.startup.mode = 'earliest'
) FORMAT PLAIN ENCODE JSON
""")
    create("""
CREATE TABLE alerts (
    fingerprint VARCHAR,
    rule VARCHAR,
    severity VARCHAR,
    labels JSONB,
    value DOUBLE PRECISION,
    status VARCHAR,
    occurred_at TIMESTAMPTZ,
    PRIMARY KEY (fingerprint, occurred_at, status)
) APPEND ONLY
ON CONFLICT DO NOTHING
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}alerts',
    ${kafka_properties},
    scan.startup.mode = 'earliest'
) FORMAT PLAIN ENCODE JSON
""")
    create("""
CREATE TABLE api_keys (
    prefix VARCHAR,
    hash VARCHAR,
    name VARCHAR,
    scopes VARCHAR,
    created_at TIMESTAMPTZ,
    expires_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    PRIMARY KEY (prefix)
)
""")


def downgrade() -> None:
    """Drop the tables."""
    drop("api_keys")
    drop("alerts")
    drop("training_requests")
    drop("feature_reference")
    drop("model_events")
    drop("predictions")
    drop("prediction_inputs")

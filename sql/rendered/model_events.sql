-- model_events: what became of models: a training runs or has failed (model_version is empty), a version is registered, promoted, rejected, confirmed (another was not better), rolled_back, with the reason.
-- grain: one row per event
-- keys: event_id
-- event time: occurred_at
-- late data: kept; the first message of a key wins, so redelivery changes nothing
-- columns:
--   occurred_at: when
-- readers: model-error-monitor, predictions-api, people
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
) FORMAT PLAIN ENCODE JSON;

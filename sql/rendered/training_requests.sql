-- training_requests: why a training was wanted, and by whom.
-- grain: one row per request
-- keys: request_id
-- event time: requested_at
-- late data: kept; the first message of a key wins, so redelivery changes nothing
-- columns:
--   evidence: what the request is founded on
--   requested_at: when
-- readers: model-error-monitor, predictions-api, people
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
) FORMAT PLAIN ENCODE JSON;

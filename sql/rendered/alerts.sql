-- alerts: what the error monitor found wrong, and when it was over.
-- grain: one row per alert, change of status
-- keys: fingerprint, occurred_at, status
-- event time: occurred_at
-- late data: kept; the first message of a key wins, so redelivery changes nothing
-- columns:
--   fingerprint: hash of rule and labels: the same for one condition
--   severity: warning or critical
--   labels: what the alert is about, such as exchange, model and horizon
--   value: the number that crossed its threshold
--   status: firing or resolved
--   occurred_at: when the status changed
-- readers: alert_documents, model-error-monitor, predictions-api, people
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
) FORMAT PLAIN ENCODE JSON;

-- alert_documents: alerts as Elasticsearch gets them: each with the name of its daily index.
-- grain: one row per alert, change of status
-- keys: fingerprint, occurred_at, status
-- event time: occurred_at
-- late data: follows alerts
-- columns:
--   index_name: daily index that the document goes to
--   labels: what the alert is about, as text
-- footprint:
--   alerts by fingerprint: occurred_at -> occurred_at [0, 0]
-- readers: alerts_sink
CREATE VIEW alert_documents AS
SELECT
    'alerts-' || to_char(occurred_at AT TIME ZONE 'UTC', 'YYYY.MM.DD') AS index_name,
    fingerprint,
    rule,
    severity,
    labels::VARCHAR AS labels,
    value,
    status,
    occurred_at
FROM alerts;

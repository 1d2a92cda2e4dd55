-- alerts_sink: alerts to Elasticsearch, into the index of their day.
-- grain: one document per alert, change of status
-- keys: fingerprint, occurred_at, status
-- event time: occurred_at
-- late data: follows alert_documents
-- readers: people
CREATE SINK alerts_sink FROM alert_documents
WITH (
    connector = 'elasticsearch',
    type = 'upsert',
    ${elasticsearch_properties},
    index_column = 'index_name',
    primary_key = 'fingerprint,occurred_at,status',
    delimiter = '|'
);

-- loaded_candles_dlq: what could not be used on the way to topic loaded_candles, with the reason and the original bytes.
-- grain: one row per rejected message
-- keys: topic, id
-- event time: occurred_at
-- late data: kept
-- columns:
--   id: hash of source, position and bytes: a repeated refusal is one row
--   payload_base64: the original bytes
--   source: file or connection
--   position: line or offset in it
--   occurred_at: when it was refused
-- readers: dead_letters
CREATE TABLE loaded_candles_dlq (
    topic VARCHAR,
    id VARCHAR,
    payload_base64 VARCHAR,
    reason VARCHAR,
    source VARCHAR,
    position VARCHAR,
    occurred_at TIMESTAMPTZ,
    PRIMARY KEY (topic, id)
) APPEND ONLY
ON CONFLICT DO NOTHING
WITH (
    connector = 'kafka',
    topic = '${topic_prefix}loaded_candles.dlq',
    ${kafka_properties},
    scan.startup.mode = 'earliest'
) FORMAT PLAIN ENCODE JSON;

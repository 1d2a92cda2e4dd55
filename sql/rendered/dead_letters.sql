-- dead_letters: every message any publisher refused, from all dead-letter topics.
-- grain: one row per rejected message
-- keys: topic, id
-- event time: occurred_at
-- late data: kept
-- readers: people, telemetry
CREATE VIEW dead_letters AS
SELECT topic, id, payload_base64, reason, source, "position", occurred_at FROM trades_dlq
UNION ALL
SELECT topic, id, payload_base64, reason, source, "position", occurred_at FROM loaded_candles_dlq
UNION ALL
SELECT topic, id, payload_base64, reason, source, "position", occurred_at FROM news_dlq;

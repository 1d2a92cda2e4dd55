-- late_trades: live trades that came after their own exchange's clock had closed their minute; they are in candles too, this
--   is their ledger.
-- grain: one row per late trade
-- keys: exchange, symbol, trade_id
-- event time: ingest_ts
-- late data: this is the late data
-- footprint:
--   trades by exchange, symbol: least(ts, ingest_ts) -> open_time [-1 minute, +2 seconds]
--   closed_minutes by exchange, each symbol of trades: minute -> open_time [0, 0]
-- readers: trade-to-ohlc, telemetry
CREATE MATERIALIZED VIEW late_trades AS
WITH after_grace AS (
    SELECT exchange, symbol, trade_id, ts, ingest_ts, date_trunc('minute', ts, 'UTC') AS open_time, price, quantity
    FROM trades
    WHERE kind = 'trade' AND (price >= '1e-30'::double precision AND price <= '1e30'::double precision) AND (quantity >= '1e-30'::double precision AND quantity <= '1e30'::double precision) AND ts <= ingest_ts + INTERVAL '2 seconds'
        AND origin = 'live'
        AND ingest_ts > date_trunc('minute', ts, 'UTC') + INTERVAL '1 minute' + INTERVAL '2 seconds'
)
SELECT
    t.exchange, t.symbol, t.trade_id, t.ts, t.ingest_ts, t.open_time,
    t.open_time + INTERVAL '1 minute' AS close_time,
    t.price,
    t.quantity
FROM after_grace AS t
LEFT JOIN closed_minutes AS c ON t.exchange = c.exchange AND t.open_time = c.minute
WHERE t.ingest_ts > coalesce(c.closed_at, t.open_time + INTERVAL '1 minute' + INTERVAL '2 seconds' + INTERVAL '600 seconds');

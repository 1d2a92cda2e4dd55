-- late_trades: live trades that came after their minute had closed; they are in candles too, this is their ledger.
-- grain: one row per late trade
-- keys: exchange, symbol, trade_id
-- event time: ingest_ts
-- late data: this is the late data
-- footprint:
--   trades by exchange, symbol, trade_id: all
-- readers: trade-to-ohlc, telemetry
CREATE MATERIALIZED VIEW late_trades AS
SELECT
    exchange, symbol, trade_id, ts, ingest_ts,
    date_trunc('minute', ts, 'UTC') AS open_time,
    date_trunc('minute', ts, 'UTC') + INTERVAL '1 minute' AS close_time,
    price,
    quantity
FROM trades
WHERE kind = 'trade' AND (price > 0 AND price < 'Infinity'::double precision) AND (quantity > 0 AND quantity < 'Infinity'::double precision) AND ts <= ingest_ts + INTERVAL '2 seconds'
    AND origin = 'live'
    AND ingest_ts > date_trunc('minute', ts, 'UTC') + INTERVAL '1 minute' + INTERVAL '2 seconds';

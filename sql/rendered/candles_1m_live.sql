-- candles_1m_live: one-minute candles of traded minutes, the open minute too.
-- grain: one row per exchange, symbol, traded minute
-- keys: exchange, symbol, open_time
-- event time: open_time
-- late data: a late trade amends its candle
-- columns:
--   turnover: sum of price times quantity
--   buy_volume: volume that takers bought, NULL when a side is unknown
--   last_ingest_ts: when the newest of its trades reached the topic
-- footprint:
--   trades by exchange, symbol: least(ts, ingest_ts) -> open_time [-1 minute, +2 seconds]
-- readers: candles_1m, candles_live
CREATE MATERIALIZED VIEW candles_1m_live AS
SELECT
    exchange,
    symbol,
    window_start AS open_time,
    (min(ROW(ts, seq, trade_id, price))).f4 AS open,
    max(price) AS high,
    min(price) AS low,
    (max(ROW(ts, seq, trade_id, price))).f4 AS close,
    sum(quantity) AS volume,
    sum(price * quantity) AS turnover,
    count(*) AS trades,
    CASE
        WHEN count(side) = count(*) THEN sum(CASE WHEN side = 'buy' THEN quantity ELSE 0 END)
    END AS buy_volume,
    max(ingest_ts) AS last_ingest_ts
FROM TUMBLE(trades, ts, INTERVAL '1 minute')
WHERE kind = 'trade' AND (price > 0 AND price < 'Infinity'::double precision) AND (quantity > 0 AND quantity < 'Infinity'::double precision) AND ts <= ingest_ts + INTERVAL '2 seconds'
GROUP BY exchange, symbol, window_start;

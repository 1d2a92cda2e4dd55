-- fill_prices: the prices that an order sent after a forecast could meet: of every minute the first trade, and the first one
--   later than the grace, when forecasts from the minute before are made. A loaded minute, whose trades are not known,
--   has its open.
-- grain: one row per exchange, symbol, minute, and whether the grace was over
-- keys: exchange, symbol, minute, is_after_grace
-- event time: filled_at
-- late data: a late trade that turns out to be the first replaces the one before
-- columns:
--   is_after_grace: more than 2 seconds after the beginning of the minute
--   filled_at: time of the trade; of a loaded minute its beginning, so that no order of that minute is filled by it
--   price: without half of the spread, which crossing it costs on top
-- readers: people
CREATE VIEW fill_prices AS
WITH valid AS (
    SELECT
        exchange, symbol, ts, seq, trade_id, price,
        ts > date_trunc('minute', ts, 'UTC') + INTERVAL '2 seconds' AS is_after_grace
    FROM trades
    WHERE kind = 'trade' AND (price >= '1e-30'::double precision AND price <= '1e30'::double precision) AND (quantity >= '1e-30'::double precision AND quantity <= '1e30'::double precision) AND ts <= ingest_ts + INTERVAL '2 seconds'
)
SELECT
    exchange,
    symbol,
    window_start AS minute,
    is_after_grace,
    min(ts) AS filled_at,
    (min(ROW(ts, seq, trade_id, price))).f4 AS price
FROM TUMBLE(valid, ts, INTERVAL '1 minute')
GROUP BY exchange, symbol, window_start, is_after_grace
UNION ALL
SELECT
    exchange,
    symbol,
    open_time AS minute,
    false AS is_after_grace,
    open_time AS filled_at,
    open AS price
FROM candles_1m_live
WHERE is_loaded AND volume > 0;

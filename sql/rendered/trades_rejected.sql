-- trades_rejected: rows of topic trades that no candle can use, each with the first reason that applies.
-- grain: one row per rejected row of trades
-- keys: exchange, symbol, trade_id
-- event time: ingest_ts
-- late data: kept
-- columns:
--   trade_id: of a trade whose id was used before: used:<id>:<digest of its content>
-- footprint:
--   trades by exchange, symbol, trade_id: all
-- readers: trade-to-ohlc, telemetry
CREATE MATERIALIZED VIEW trades_rejected AS
SELECT
    exchange, symbol, trade_id, kind, ts, side, price, quantity, origin, ingest_ts,
    CASE
        WHEN kind = 'conflict' THEN 'id used before'
        WHEN kind IS NULL OR kind <> 'trade' THEN 'unknown kind'
        WHEN ts IS NULL THEN 'no event time'
        WHEN ts > ingest_ts + INTERVAL '2 seconds' THEN 'event time in the future'
        WHEN price IS NULL THEN 'no price'
        WHEN (price >= '1e-30'::double precision AND price <= '1e30'::double precision) THEN
            CASE
                WHEN quantity IS NULL THEN 'no quantity'
                WHEN (quantity > 0 AND quantity < 'Infinity'::double precision) THEN 'quantity out of range'
                ELSE 'quantity not positive'
            END
        WHEN (price > 0 AND price < 'Infinity'::double precision) THEN 'price out of range'
        ELSE 'price not positive'
    END AS reason
FROM trades
WHERE coalesce(kind <> 'heartbeat', true)
    AND NOT coalesce(kind = 'trade' AND (price >= '1e-30'::double precision AND price <= '1e30'::double precision) AND (quantity >= '1e-30'::double precision AND quantity <= '1e30'::double precision) AND ts <= ingest_ts + INTERVAL '2 seconds', false);

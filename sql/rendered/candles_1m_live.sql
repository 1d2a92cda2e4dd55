-- candles_1m_live: one-minute candles of every minute that is known, the open one too: of its trades, or without any as
--   history was loaded, by the newest load. Both are aggregated at once: a join or a choice between two views would keep
--   a copy of every minute, loaded or not.
-- grain: one row per exchange, symbol, minute with trades or a loaded candle
-- keys: exchange, symbol, open_time
-- event time: open_time
-- late data: a late trade amends its candle; the first trade of a loaded minute replaces it; a newer load amends it
-- columns:
--   turnover: sum of price times quantity; of a loaded minute whose source does not tell, volume times typical price
--   trades: number of trades, NULL when unknown
--   buy_volume: volume that takers bought, NULL when a side is unknown
--   is_loaded: loaded as a candle
--   last_ingest_ts: when the newest of its trades reached the topic, NULL for a loaded minute
-- footprint:
--   trades by exchange, symbol: least(ts, ingest_ts) -> open_time [-1 minute, +2 seconds]
--   loaded_candles by exchange, symbol: open_time -> open_time [-1 minute, 0]
-- readers: candles_1m, candles_live, fill_prices
CREATE MATERIALIZED VIEW candles_1m_live AS
WITH known AS (
    SELECT
        exchange, symbol, ts, seq, trade_id, price, quantity, side, ingest_ts,
        NULL::timestamptz AS loaded_at,
        NULL::double precision[] AS loaded
    FROM trades
    WHERE kind = 'trade' AND (price >= '1e-30'::double precision AND price <= '1e30'::double precision) AND (quantity >= '1e-30'::double precision AND quantity <= '1e30'::double precision) AND ts <= ingest_ts + INTERVAL '2 seconds'
    UNION ALL
    SELECT
        exchange,
        symbol,
        open_time AS ts,
        NULL::bigint AS seq,
        NULL::varchar AS trade_id,
        NULL::double precision AS price,
        NULL::double precision AS quantity,
        NULL::varchar AS side,
        NULL::timestamptz AS ingest_ts,
        loaded_at,
        ARRAY[extract(epoch FROM loaded_at)::double precision, open, high, low, close, volume, turnover, trades::double precision, buy_volume] AS loaded
    FROM loaded_candles
    WHERE date_trunc('minute', open_time, 'UTC') = open_time AND open_time <= ingest_ts - INTERVAL '58 seconds'
    AND (low >= '1e-30'::double precision AND low <= '1e30'::double precision) AND (high >= '1e-30'::double precision AND high <= '1e30'::double precision) AND (low <= open AND open <= high AND low <= close AND close <= high)
    AND (volume >= 0 AND volume <= '1e30'::double precision) AND (coalesce(turnover, 0) >= 0 AND coalesce(turnover, 0) <= '1e30'::double precision) AND coalesce(trades, 0) >= 0
    AND (coalesce(buy_volume, 0) >= 0 AND coalesce(buy_volume, 0) <= '1e30'::double precision) AND coalesce(buy_volume, 0) <= volume * 1.000001
),
minutes AS (
    SELECT
        exchange,
        symbol,
        window_start AS open_time,
        (min(ROW(ts, seq, trade_id, price)) FILTER (WHERE loaded_at IS NULL)).f4 AS open,
        max(price) AS high,
        min(price) AS low,
        (max(ROW(ts, seq, trade_id, price)) FILTER (WHERE loaded_at IS NULL)).f4 AS close,
        sum(quantity) AS volume,
        sum(price * quantity) AS turnover,
        count(trade_id) AS trades,
        CASE
            WHEN count(side) = count(trade_id) THEN sum(CASE WHEN side = 'buy' THEN quantity ELSE 0 END)
        END AS buy_volume,
        max(ingest_ts) AS last_ingest_ts,
        max(loaded) AS loaded
    FROM TUMBLE(known, ts, INTERVAL '1 minute')
    GROUP BY exchange, symbol, window_start
)
SELECT
    exchange,
    symbol,
    open_time,
    CASE WHEN trades > 0 THEN open ELSE loaded[2] END AS open,
    CASE WHEN trades > 0 THEN high ELSE loaded[3] END AS high,
    CASE WHEN trades > 0 THEN low ELSE loaded[4] END AS low,
    CASE WHEN trades > 0 THEN close ELSE loaded[5] END AS close,
    CASE WHEN trades > 0 THEN volume ELSE loaded[6] END AS volume,
    CASE
        WHEN trades > 0 THEN turnover
        ELSE coalesce(loaded[7], loaded[6] * (loaded[3] + loaded[4] + loaded[5]) / 3)
    END AS turnover,
    CASE
        WHEN trades > 0 THEN trades
        WHEN loaded[6] = 0 THEN 0
        ELSE loaded[8]::bigint
    END AS trades,
    CASE
        WHEN trades > 0 THEN buy_volume
        WHEN loaded[6] = 0 THEN 0
        ELSE loaded[9]
    END AS buy_volume,
    trades = 0 AS is_loaded,
    last_ingest_ts
FROM minutes;

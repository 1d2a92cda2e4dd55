-- signals: three plain rules on each closed candle and their majority: long, short or flat; NULL while an indicator is
--   NULL. A reading aid and a baseline for the models, not advice. trend: MACD histogram and directional indicators
--   agree and ADX is at least 25. reversion: RSI beyond 30/70 and the close outside its Bollinger band. breakout: the
--   close is outside its Keltner channel.
-- grain: one row per exchange, symbol, timeframe, bar
-- keys: exchange, symbol, timeframe, open_time
-- event time: open_time
-- late data: follows indicators
-- footprint:
--   indicators by exchange, symbol, timeframe: open_time -> open_time [0, 0]
-- readers: predictions-api, dashboard
CREATE MATERIALIZED VIEW signals AS
WITH votes AS (
    SELECT
        exchange,
        symbol,
        timeframe,
        open_time,
        close_time,
        warm_bars >= 685 AS is_warm,
        CASE
            WHEN macd_hist_12_26_9 > 0 AND plus_di_14 > minus_di_14 AND adx_14 >= 25 THEN 1
            WHEN macd_hist_12_26_9 < 0 AND plus_di_14 < minus_di_14 AND adx_14 >= 25 THEN -1
            WHEN macd_hist_12_26_9 IS NOT NULL AND plus_di_14 IS NOT NULL AND adx_14 IS NOT NULL THEN 0
        END AS trend,
        CASE
            WHEN rsi_14 < 30 AND bollinger_percent_b_20 < 0 THEN 1
            WHEN rsi_14 > 70 AND bollinger_percent_b_20 > 1 THEN -1
            WHEN rsi_14 IS NOT NULL AND bollinger_percent_b_20 IS NOT NULL THEN 0
        END AS reversion,
        CASE
            WHEN close > keltner_upper_20_10 THEN 1
            WHEN close < keltner_lower_20_10 THEN -1
            WHEN keltner_upper_20_10 IS NOT NULL THEN 0
        END AS breakout
    FROM indicators
)
SELECT
    exchange,
    symbol,
    timeframe,
    open_time,
    close_time,
    is_warm,
    CASE trend WHEN 1 THEN 'long' WHEN -1 THEN 'short' WHEN 0 THEN 'flat' END AS trend,
    CASE reversion WHEN 1 THEN 'long' WHEN -1 THEN 'short' WHEN 0 THEN 'flat' END AS reversion,
    CASE breakout WHEN 1 THEN 'long' WHEN -1 THEN 'short' WHEN 0 THEN 'flat' END AS breakout,
    CASE sign((trend + reversion + breakout)::double precision)::int WHEN 1 THEN 'long' WHEN -1 THEN 'short' WHEN 0 THEN 'flat' END AS signal
FROM votes;
